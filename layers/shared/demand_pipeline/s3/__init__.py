"""Chunks in S3, written and read as streams."""
