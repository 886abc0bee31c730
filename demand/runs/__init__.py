"""Runs of the pipeline as plain values: starts them, finds them, reads their histories and sums them up."""
