"""Sessions with PostgreSQL: credentials, TLS, statements, and the translation of errors."""
