"""The load: copy chunks into shadows, by many functions if it pays, then replace all rows in one transaction."""
