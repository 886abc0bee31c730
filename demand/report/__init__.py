"""The report of a run: one HTML file to read and share, with the facts of the commands."""
