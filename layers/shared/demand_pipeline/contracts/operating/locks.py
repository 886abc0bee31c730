"""The action `locks`: who holds locks on the warehouse's tables, or waits for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableLock:
    """The strongest lock that a session or a prepared transaction holds on a table, or waits for.

    `mode` is SQL's name for it, such as ACCESS SHARE. `age_seconds` is the age of the transaction: None if PostgreSQL
    does not show it to the loader's role. `end` is the statement that ends the holder: None for the pipeline's own
    sessions, and for processes of the server, such as autovacuum. `process` is None for a prepared transaction.
    """

    table: str
    mode: str
    is_granted: bool
    process: int | None
    holder: str
    age_seconds: float | None
    end: str | None
    is_own: bool

    @property
    def what(self) -> str:
        """The lock without its holder."""
        return f"{self.mode} on {self.table}"


@dataclass(frozen=True, slots=True)
class LocksAnswer:
    """Granted locks first, then the oldest first. `complete` is false if there are more than an answer can hold."""

    locks: tuple[TableLock, ...]
    complete: bool
