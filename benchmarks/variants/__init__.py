"""Variants to compare a function's handler with: alternatives, and lower bounds."""
