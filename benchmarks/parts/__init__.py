"""What is measured: one module per part, which yields its figures."""
