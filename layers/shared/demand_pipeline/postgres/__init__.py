"""The only package that knows the driver: sessions, credentials, TLS, SQL by name, and the translation of errors."""
