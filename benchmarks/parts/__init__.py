"""The parts of the benchmark: one module per part, which yields its figures."""
