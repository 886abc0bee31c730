"""The library behind the functions: scan, convert, stage, load."""
