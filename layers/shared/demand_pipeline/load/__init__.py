"""The load: everything staged and checked, then one transaction."""
