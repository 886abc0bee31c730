"""What is measured: a module for each part, each yielding its figures."""
