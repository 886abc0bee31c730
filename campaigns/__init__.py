"""Programs that look for failures at random, for as long as one likes: `make soak` and `make fuzz`."""
