"""The load strategy `swap`: a run's shadow becomes the only partition of its table, at once, whatever its size."""
