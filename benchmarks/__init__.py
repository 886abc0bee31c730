"""How fast the pipeline is, compared with lower bounds and with what others use for the same work."""
