"""The load: copy chunks into shadows, in many functions if it pays, then check and replace all rows in one transaction."""
