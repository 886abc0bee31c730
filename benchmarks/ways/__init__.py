"""Ways to do what a function does: its handler, what people use instead, and the floor; a process runs one of them."""
