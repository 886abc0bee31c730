"""Converts items to staged rows, according to the data contract."""
