"""Names for tables and columns, derived from names in DynamoDB."""

import re
from collections.abc import Iterable

from demand.infer.choose import words
from demand_pipeline.tables import EXTRA, MAX_NAME_BYTES, MAX_TABLE_NAME_BYTES, table_name_problem

_BEFORE = "t_"  # a name that is not allowed by itself
_SYSTEM = frozenset({EXTRA.name, "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def table_name(source: str) -> str:
    """Return a valid name for the warehouse's table, for any name in DynamoDB."""
    plain = re.sub(r"[^a-z0-9_]", "", "_".join(words(source)))[: MAX_TABLE_NAME_BYTES - len(_BEFORE)].rstrip("_")
    return f"{_BEFORE}{plain}" if table_name_problem(plain) else plain


def column_names(paths: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a name for each path: its words, shortened to PostgreSQL's limit; numbered if it is not unique."""
    taken = set(_SYSTEM)
    names: list[str] = []
    for path in paths:
        plain = _cut("_".join(word for step in path for word in words(step)) or "column")
        name = next(name for name in _numbered(plain) if name not in taken)
        taken.add(name)
        names.append(name)
    return names


def title(path: tuple[str, ...]) -> str:
    """Return a path as a preliminary description: `Amounts net.` for `amounts.net`."""
    text = " ".join(word for step in path for word in words(step)) or "an attribute"
    return f"{text[:1].upper()}{text[1:]}."


def _numbered(plain: str) -> Iterable[str]:
    yield plain
    number = 2
    while True:
        yield f"{_cut(plain, 4)}_{number}"
        number += 1


def _cut(name: str, spare: int = 0) -> str:
    return name.encode()[: MAX_NAME_BYTES - spare].decode(errors="ignore")
