"""The same work by what people use today, each in an environment of its own that knows nothing of this project."""
