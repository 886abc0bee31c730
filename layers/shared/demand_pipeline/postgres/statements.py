"""SQL text: the statements of queries.sql by name, and the only function that quotes an identifier."""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from demand_pipeline.errors import ConfigurationError
from demand_pipeline.tables import MAX_NAME_BYTES

_QUERIES = Path(__file__).parent / "queries.sql"
_QUERY = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |^\n\n|\Z)", re.MULTILINE | re.DOTALL)


class Sql(str):
    """Finished SQL: the only external input in it are quoted identifiers."""

    __slots__ = ()


def quote(name: str) -> Sql:
    """Quote an identifier with any characters; raises ConfigurationError if it cannot be one."""
    if not name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise ConfigurationError(f"expected a PostgreSQL name of 1 to {MAX_NAME_BYTES} bytes, got {name!r:.200}")
    return Sql('"' + name.replace('"', '""') + '"')


def qualified(schema: str, name: str) -> Sql:
    """Return a quoted name with its schema, which does not depend on the search_path."""
    return Sql(f"{quote(schema)}.{quote(name)}")


def literal(text: str) -> Sql:
    """A text as a constant, for where a statement takes no parameter."""
    return Sql("'" + text.replace("'", "''") + "'")


def suffixed(name: str, suffix: str) -> str:
    """Append the suffix to a name; a name that is too long is truncated, and a digest keeps it distinct."""
    if len((name + suffix).encode()) > MAX_NAME_BYTES:
        suffix = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}{suffix}"
        name = name.encode()[: MAX_NAME_BYTES - len(suffix.encode())].decode(errors="ignore")
    return name + suffix


def listed(parts: Iterable[str], separator: str = ", ") -> Sql:
    """Join parts; quote the parts that are not SQL yet."""
    return Sql(separator.join([_composed(part) for part in parts]))


def statement(name: str, **parts: str) -> Sql:
    """Return the named statement of queries.sql; each `{part}` becomes SQL, or a quoted identifier.

    Do not pass values: they go to the server as parameters.
    """
    return Sql(_queries()[name].format_map({part: _composed(value) for part, value in parts.items()}))


def _composed(part: str) -> Sql:
    return part if isinstance(part, Sql) else quote(part)


@cache
def _queries() -> dict[str, str]:
    return {name: text.strip() for name, text in _QUERY.findall(_QUERIES.read_text(encoding="utf-8"))}
