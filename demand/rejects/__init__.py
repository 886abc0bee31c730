"""Items that did not fit: listed, exported, and converted again with today's declarations."""
