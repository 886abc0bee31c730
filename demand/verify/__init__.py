"""The warehouse compared with what a run read, and that with what the source has now."""
