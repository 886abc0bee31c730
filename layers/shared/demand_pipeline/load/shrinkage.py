"""A table that lost many rows. This may be correct, so it does not fail the run, but it is always reported."""

_MUCH = 0.2


def has_shrunk(before: int, after: int) -> bool:
    """Whether a table lost all of its rows, or more than a fifth of them."""
    return before - after > _MUCH * before
