"""Compares the warehouse with the items that a run read, and these items with the source."""
