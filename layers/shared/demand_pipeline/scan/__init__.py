"""The scan: reads one segment's pages into raw chunks."""
