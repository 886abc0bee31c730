"""Writes and reads chunks in S3 as streams."""
