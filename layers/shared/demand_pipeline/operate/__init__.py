"""What operators' commands ask of the warehouse: one module per action."""
