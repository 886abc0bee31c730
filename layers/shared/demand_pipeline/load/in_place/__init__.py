"""The load strategies `truncate` and `merge`: they write rows to the existing tables, in one transaction."""
