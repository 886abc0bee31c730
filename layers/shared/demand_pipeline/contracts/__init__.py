"""What the state machine passes to each function and gets back: frozen dataclasses, one module per function."""
