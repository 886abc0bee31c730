"""Runs of the pipeline: started, found, read from their histories, and summed up, as plain values."""
