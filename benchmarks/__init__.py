"""Measures the speed of the pipeline, compared with lower bounds and with other tools for the same work."""
