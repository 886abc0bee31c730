"""The same work by what people use today, each in an environment that does not know this project."""
