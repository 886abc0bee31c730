"""A session with PostgreSQL: credentials, TLS, statements, and errors by this project's names."""
