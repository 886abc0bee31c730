"""Shared parts of tests and campaigns: AWS in-process, the warehouse, the functions, and the reference."""
