"""The command line's package: needs the standard library and `demand_pipeline`, nothing of the development tools."""
