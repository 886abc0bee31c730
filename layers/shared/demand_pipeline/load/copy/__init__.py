"""Copies a run's staged chunks into its shadows, and writes the shadows as files to S3 if asked to."""
