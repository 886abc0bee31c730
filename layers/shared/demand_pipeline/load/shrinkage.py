"""A table that lost many rows. It may be right, so it fails no run, but nobody should overlook it."""

_MUCH = 0.2


def has_shrunk(before: int, after: int) -> bool:
    """Whether a table lost all of its rows, or more than a fifth of them."""
    return before - after > _MUCH * before
