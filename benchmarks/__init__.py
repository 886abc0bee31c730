"""How fast the pipeline is, beside its floors and what others use for the same work."""
