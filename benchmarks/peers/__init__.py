"""The same work with other tools, each in an environment without this project's library."""
