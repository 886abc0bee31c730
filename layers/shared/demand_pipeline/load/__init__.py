"""The load: copy chunks into shadows, in many functions if worthwhile, then replace all rows in one transaction."""
