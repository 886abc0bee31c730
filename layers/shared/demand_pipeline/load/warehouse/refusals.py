"""Finds the rows that constraints and indexes of others refuse, and names the rule and the items.

PostgreSQL names only the first refused row, in the detail of its error, which quotes the row. So the load queries the
database after the rollback: each rule of the table is a condition on the new rows.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from demand_pipeline.errors import DatabaseDataError, DatabaseError, DuplicateKeyError, PipelineError, RefusedRowError
from demand_pipeline.load.guard import Guard
from demand_pipeline.load.warehouse.schema import TableSchema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, listed

statement = Statements(__package__)

# Limit of each query about the rows. Without its result, the error still names the rule.
_SECONDS = 60.0
_SHOWN_KEY = 200  # characters
# More than a block can contain, so that one number encodes block and row.
_ROWS_PER_BLOCK = 2048


class NewRows(NamedTuple):
    """New rows of a table: the table that contains them, and the target to load them into."""

    schema: TableSchema
    target: Sql
    rows: Sql


class Rule(NamedTuple):
    """A constraint or an index that may refuse rows; the fields are the columns of the statement `row_rules`."""

    kind: str
    name: str
    problem: str
    rows: str
    condition: str | None
    size: str | None
    key: str
    removal: str


def find_rules(connection: Connection, table: NewRows, load: Iterable[NewRows] = ()) -> list[Rule]:
    """Return the rules of a table, as conditions on its new rows; foreign keys within a load refer to its new rows."""
    load, key = list(load), [column for column in table.schema.columns if column.key]
    found = connection.query(
        statement("row_rules"),
        relation=table.target,
        rows=table.rows,
        declared=list(table.schema.names),
        key_names=[column.name for column in key],
        key_attributes=[column.attribute for column in key],
        key_types=[str(column.type) for column in key],
        relations=[other.target for other in load],
        shadows=[other.rows for other in load],
    )
    return [Rule(*rule) for rule in found]


def explain(error: DatabaseError, load: list[NewRows], guard: Guard) -> PipelineError:
    """Roll back, and add the rules that refuse rows of the load to its error."""
    with suppress(PipelineError):
        guard.connection.execute("ROLLBACK")
        guard.connection.execute(statement("begin"))
    return name_items(error, load, guard)


def name_items(error: DatabaseError, load: list[NewRows], guard: Guard) -> PipelineError:
    """Return the error with every rule that refuses new rows, the number of these rows and the keys of a few items.

    The caller has opened a transaction, and rolls it back afterwards.
    """
    if not isinstance(error, RefusedRowError | DatabaseDataError):
        return error
    found: list[_Refusal] = []
    with suppress(PipelineError):
        rules = [(table, find_rules(guard.connection, table, load)) for table in load]
        found = [refusal for table, own in rules for refusal in _refusals(guard, table, own, error.rule)]
        found = found or [
            _refusal(table, rule, "it refuses rows that only change")
            for table, own in rules
            for rule in own
            if rule.name == error.rule
        ]
    if not found:
        return error
    kind = DuplicateKeyError if all(refusal.is_key for refusal in found) else RefusedRowError
    return kind("; ".join([str(error), *[refusal.text for refusal in found]]))


class _Refusal(NamedTuple):
    is_key: bool
    text: str


def _refusals(guard: Guard, table: NewRows, rules: list[Rule], name: str) -> Iterator[_Refusal]:
    """Yield each rule with the items that it refuses; if there are none, an item that is refused for another reason."""
    found = [_refusal(table, rule, items) for rule in rules if (items := _count(guard, rule))]
    yield from found
    if not found and rules and (key := _probe(guard, table, rules[0].key)):
        text = f"it refuses {key}, perhaps others"
        named = [_refusal(table, rule, text) for rule in rules if rule.name == name]
        yield next(iter(named), _Refusal(is_key=False, text=f"{table.schema.name}: {text}"))


def _refusal(table: NewRows, rule: Rule, items: str) -> _Refusal:
    cure = f"; run {rule.removal}" if rule.removal else ""
    return _Refusal(rule.kind == "key", f"{table.schema.name}: {rule.problem}, and {items}{cure}")


def _count(guard: Guard, rule: Rule) -> str | None:
    """Describe the items that a rule refuses; None if it refuses none, or if the query failed."""
    if rule.condition is None:
        return None
    question = statement(
        "refused_items",
        key=Sql(rule.key),
        rows=Sql(rule.rows),
        condition=Sql(rule.condition),
        size=Sql(rule.size or "0"),
    )
    items: list[list[object]] = []
    with suppress(PipelineError), _attempt(guard):
        items = guard.connection.query(question)
    if not items:
        return None
    shown = [f"{key!s:.{_SHOWN_KEY}}" + (f" ({size} bytes)" if rule.size else "") for _, key, size in items]
    count = items[0][0]
    return f"it refuses {count} item{'s' if count != 1 else ''}: {', '.join(shown)}"


def _probe(guard: Guard, table: NewRows, key: str) -> str | None:
    """Return the key of an item that an empty copy of the table refuses for any reason; None if it accepts all."""
    connection, probe = guard.connection, Sql(f'{table.rows[:-1]}_probe"')
    connection.execute(statement("create_probe", probe=probe, table=table.target))
    common = {
        name for [name] in connection.query(statement("common_columns"), current=table.target, previous=table.rows)
    }
    columns = listed([name for name in table.schema.names if name in common])
    [[blocks]] = connection.query(statement("count_blocks"), relation=table.rows)

    def takes(first: int, end: int) -> bool:
        places = {"first": _place(first), "end": _place(end)}
        try:
            with _attempt(guard):
                connection.execute(statement("fill_probe", probe=probe, rows=table.rows, columns=columns, **places))
        except (RefusedRowError, DatabaseDataError):
            return False
        return True

    first, end = 0, int(blocks) * _ROWS_PER_BLOCK
    if takes(first, end):
        return None
    while end - first > 1:
        middle = (first + end) // 2
        first, end = (middle, end) if takes(first, middle) else (first, middle)
    if takes(first, end):
        return None  # it refuses rows only together
    [[_, shown, _]] = connection.query(
        statement(
            "refused_items", key=Sql(key), rows=table.rows, size=Sql("0"), condition=Sql(f"ctid = {_place(first)}")
        )
    )
    return f"{shown:.{_SHOWN_KEY}}"


def _place(number: int) -> Sql:
    block, row = divmod(number, _ROWS_PER_BLOCK)
    return Sql(f"'({block},{row})'")


@contextmanager
def _attempt(guard: Guard) -> Iterator[None]:
    """Run a statement that may fail, within the remaining time, and undo it."""
    guard.connection.execute("SAVEPOINT attempt")
    guard.limit(min(_SECONDS, guard.deadline.seconds_left()))
    try:
        yield
    finally:
        guard.connection.execute("ROLLBACK TO SAVEPOINT attempt")
