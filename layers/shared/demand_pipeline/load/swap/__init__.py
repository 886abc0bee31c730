"""The load strategy `swap`: a run's shadow becomes the one partition of its table, in one moment, at any size."""
