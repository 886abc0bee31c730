"""Objects of others that affect a load: rules of the tables, triggers, event triggers, and dependants of leftovers."""

from collections.abc import Iterable, Iterator

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.contracts.operating.check import Finding, State
from demand_pipeline.errors import DatabaseError
from demand_pipeline.load.warehouse.control_tables import CONTROL_TABLES, REJECTED_ITEMS
from demand_pipeline.load.warehouse.refusals import NewRows, Rule, find_rules
from demand_pipeline.load.warehouse.schema import TableSchema, pipeline_schema
from demand_pipeline.postgres.connection import Connection
from demand_pipeline.postgres.statements import Sql, Statements, qualified

statement = Statements(__package__)

# Rules that always prevent a swap: `load/swap/checks.py` reports them.
_REFUSED_BY_SWAP = ("exclusion", "referred")

# Bits of pg_trigger.tgtype: the events of the statements that a load runs on a table.
_INSERT, _DELETE, _UPDATE, _TRUNCATE = 4, 8, 16, 32
_EVENTS = {Strategy.TRUNCATE: _TRUNCATE | _INSERT, Strategy.MERGE: _DELETE | _UPDATE | _INSERT}

# From this size on, an index entry is close to PostgreSQL's limit.
_NEAR_BYTES = 2_000
_MEASURE_SECONDS = 5


def find(connection: Connection, schema: str, declared: Iterable[TableSchema], strategy: Strategy) -> Iterator[Finding]:
    """Yield the objects of others that can fail a load with this strategy, or prevent its cleanup."""
    declared = tuple(declared)
    yield from _rules(connection, schema, declared, strategy)
    yield from _triggers(connection, schema, declared, strategy)
    for name, problem, state, cure in connection.query(statement("event_triggers")):
        yield Finding(f"event trigger {name}", State(state), problem, cure)
    for name, problem, cure in connection.query(statement("held_tables"), schema=pipeline_schema(schema)):
        yield Finding(f"table {name}", State.WARNING, f"{problem}, so that no load can drop it", cure)


def _rules(
    connection: Connection, schema: str, declared: tuple[TableSchema, ...], strategy: Strategy
) -> Iterator[Finding]:
    for table in declared:
        target, subject = qualified(schema, table.name), f"table {table.name}"
        for rule in find_rules(connection, NewRows(table, target, target)):
            if rule.kind == "key" or (strategy is Strategy.SWAP and rule.kind in _REFUSED_BY_SWAP):
                continue
            if rule.kind == "referred":
                if strategy is Strategy.MERGE:
                    action = (
                        "a run fails if it has to delete a referenced row, or changes other rows: check its ON DELETE"
                    )
                    yield Finding(subject, State.WARNING, rule.problem, action)
            elif rule.size:
                yield from _size(connection, subject, rule, rule.size)
            else:
                message = f"{rule.problem}: a run fails if it refuses an item"
                yield Finding(subject, State.WARNING, message, rule.removal)


def _size(connection: Connection, subject: str, rule: Rule, size: str) -> Iterator[Finding]:
    """Yield the size of an index's largest entry, if it is close to the limit; measuring reads the table."""
    connection.execute("SAVEPOINT measure")
    try:
        connection.query(statement("limit_statements"), milliseconds=str(_MEASURE_SECONDS * 1000))
        [[largest]] = connection.query(statement("largest_entry", size=Sql(size), rows=Sql(rule.rows)))
    except DatabaseError as error:
        largest = None
        yield Finding(subject, State.SKIPPED, f"{rule.problem}: the sizes could not be measured: {error}")
    finally:
        connection.execute("ROLLBACK TO SAVEPOINT measure")
    if largest and largest >= _NEAR_BYTES:
        yield Finding(subject, State.WARNING, f"{rule.problem}: the largest entry has {largest} bytes", rule.removal)


def _triggers(
    connection: Connection, schema: str, declared: tuple[TableSchema, ...], strategy: Strategy
) -> Iterator[Finding]:
    events = {} if strategy is Strategy.SWAP else {table.name: _EVENTS[strategy] for table in declared}
    for table in CONTROL_TABLES:
        if strategy is not Strategy.SWAP or table is not REJECTED_ITEMS:  # a swap does not allow triggers on it
            events[table.name] = _INSERT | _DELETE
    found = connection.query(
        statement("triggers"),
        relations=[qualified(schema, name) for name in events],
        events=[str(event) for event in events.values()],
    )
    for table_name, trigger, function, fires, cure in found:
        subject, message = f"table {table_name}", f"its trigger {trigger} calls {function}"
        if fires:
            yield Finding(
                subject, State.WARNING, f"{message} during a load: if the function fails, the run fails", cure
            )
        else:
            yield Finding(subject, State.OK, f"{message}, but not during a load with {strategy}")
