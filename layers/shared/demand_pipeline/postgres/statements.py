"""SQL text: the files of `sql/`, and the one function that quotes an identifier."""

from functools import cache
from pathlib import Path

from demand_pipeline.errors import ConfigurationError
from demand_pipeline.tables import MAX_NAME_BYTES

_FOLDER = Path(__file__).parent / "sql"


def quote(name: str) -> str:
    """An identifier as SQL takes it, whatever characters it has; raises ConfigurationError if it cannot be one."""
    if not name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise ConfigurationError(f"expected a PostgreSQL name of 1 to {MAX_NAME_BYTES} bytes, got {name!r:.200}")
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """A quoted name with its schema, so that no search_path decides what is meant."""
    return f"{quote(schema)}.{quote(name)}"


def suffixed(table: str, suffix: str) -> str:
    """A quoted name derived from a table's, which is cut if need be, as PostgreSQL cuts it for its own such names."""
    return quote(table[: MAX_NAME_BYTES - len(suffix)] + suffix)


def column_list(names: tuple[str, ...]) -> str:
    """Quoted names, split by commas."""
    return ", ".join([quote(name) for name in names])


@cache
def _text(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def statement(name: str, **names: str) -> str:
    """The statement in `sql/{name}.sql`; each `{placeholder}` becomes a quoted identifier.

    Values are no business of this function: they go to the server as parameters.
    """
    return _text(name).format_map({placeholder: quote(value) for placeholder, value in names.items()})
