"""The report of a run: one HTML file to look at and pass on, made from what the commands know."""
