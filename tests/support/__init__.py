"""What tests and campaigns share: AWS in-process, the warehouse, functions as Lambda calls them, the reference."""
