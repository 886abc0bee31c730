"""SQL text: the statements of each package by name, and the only function that quotes an identifier."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from demand_pipeline.errors import ConfigurationError
from demand_pipeline.tables import MAX_NAME_BYTES

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


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements that a package runs, from `queries.sql`: its own, then its outer packages' and the shared ones."""

    package: str

    def __call__(self, name: str, **parts: str) -> Sql:
        """Return the named statement; each `{part}` becomes SQL, or a quoted identifier.

        Do not pass values: they go to the server as parameters.
        """
        return Sql(_find(self.package)[name].format_map({part: _composed(value) for part, value in parts.items()}))


def read_queries(folder: Path) -> dict[str, str]:
    """Return the statements next to a package's modules, by name."""
    path = folder / "queries.sql"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return {name: query.strip() for name, query in _QUERY.findall(text)}


def _composed(part: str) -> Sql:
    return part if isinstance(part, Sql) else quote(part)


@cache
def _find(package: str) -> dict[str, str]:
    """Return the statements of a package and of those around it; without a package, those next to this module."""
    if not package:
        return read_queries(Path(__file__).parent)
    around, _, _ = package.rpartition(".")
    return _find(around) | read_queries(Path(import_module(package).__path__[0]))
