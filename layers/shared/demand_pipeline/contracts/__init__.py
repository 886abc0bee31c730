"""Input and output of each function, as frozen dataclasses: one module per function."""
