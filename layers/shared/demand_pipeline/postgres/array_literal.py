"""Writes arrays of texts in PostgreSQL's notation, for staged arrays and lists of parameters."""

from collections.abc import Iterable


def array_literal(elements: Iterable[str | None]) -> str:
    """Return a `text[]` literal; None becomes NULL."""
    return "{" + ",".join(["NULL" if element is None else array_element(element) for element in elements]) + "}"


def array_element(text: str) -> str:
    """Return one element, always quoted, so that NULL, `null` and `{` are plain text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
