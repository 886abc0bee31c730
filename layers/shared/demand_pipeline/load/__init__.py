"""The load: copy and check everything, then replace the rows, all in one transaction."""
