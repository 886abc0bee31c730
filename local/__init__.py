"""The local stack: an emulator of AWS, a PostgreSQL server, sample data, and the real template deployed to them."""
