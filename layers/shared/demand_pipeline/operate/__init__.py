"""Answers to operators' commands about the warehouse: one module per action."""
