"""What a function's handler is compared with: what people use instead, and lower bounds."""
