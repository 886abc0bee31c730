"""The scan: one segment's pages into raw chunks."""
