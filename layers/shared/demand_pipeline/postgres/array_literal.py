"""Arrays of texts as PostgreSQL reads them: the one place where staged arrays and lists of parameters are written."""

from collections.abc import Iterable


def array_literal(elements: Iterable[str | None]) -> str:
    """A `text[]` literal; None is NULL."""
    return "{" + ",".join(["NULL" if element is None else array_element(element) for element in elements]) + "}"


def array_element(text: str) -> str:
    """One element, always quoted, so that NULL, `null` and `{` are plain text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
