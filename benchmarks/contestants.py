"""The contestants: how each of them creates and fills its table, and the names of its columns."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from shlex import join

from benchmarks.environment import ROOT, Environment
from benchmarks.peers import singer_files
from benchmarks.usage import Usage, run
from benchmarks.workload import CASES
from demand_pipeline.load.warehouse.schema import TableSchema, create_table
from demand_pipeline.postgres.statements import qualified, quote
from demand_pipeline.tables import ColumnType

SCHEMA = "public"
# The same indexes for all, besides the primary key: the case, and a supplier's invoices by date.
_INDEXES = (("case_id",), ("supplier_tax_id", "issue_date"))


@dataclass(frozen=True)
class Contestant:
    """`prepare` creates the empty table; `refresh` fills it and is measured; `column` returns a column's name in it."""

    name: str
    table: str
    prepare: Callable[[Environment], None]
    refresh: Callable[[Environment], Usage]
    column: Callable[[str], str] = str


def make_table(environment: Environment, *, arrays: bool = True) -> None:
    """Create the empty table as declared, with its indexes; optionally with JSON instead of arrays."""
    environment.empty()
    columns = CASES.stored_columns
    if not arrays:
        columns = tuple(replace(each, type=ColumnType.JSONB) if each.type.endswith("[]") else each for each in columns)
    environment.postgres.execute(create_table(SCHEMA, TableSchema(CASES.name, CASES.description, columns)))
    make_indexes(environment, CASES.name, str)


def make_indexes(environment: Environment, table: str, column: Callable[[str], str]) -> None:
    """Create a table's indexes, except for its primary key."""
    for names in _INDEXES:
        columns = ", ".join([quote(column(name)) for name in names])
        environment.postgres.execute(f"CREATE INDEX ON {qualified(SCHEMA, table)} ({columns})")


def _refresh_ours(function: str, environment: Environment) -> Usage:
    return environment.run_python(["benchmarks.run_function", function], 2)[0]


def _refresh_by(peer: str, environment: Environment) -> Usage:
    return run([_program(peer, "python"), "-m", f"benchmarks.peers.{peer}_refresh"], _peer_variables(environment))


def _program(peer: str, name: str) -> str:
    """Return a program of a peer's environment."""
    return str(ROOT / f".venv-bench-{peer}" / "bin" / name)


def _peer_variables(environment: Environment) -> dict[str, str]:
    columns = environment.folder / "columns.json"
    columns.write_text(json.dumps([[column.name, column.type, column.path] for column in CASES.columns]))
    own = {"PYTHONPATH": str(ROOT), "BENCHMARK_COLUMNS": str(columns), "HOME": str(environment.folder)}
    own |= {"RUNTIME__DLTHUB_TELEMETRY": "false"}
    return environment.aws_variables() | environment.postgres.environment() | own


def _prepare_singer(environment: Environment) -> None:
    environment.empty()
    singer_files.write(environment.folder, environment.postgres)
    subprocess.run(_singer_target(environment), input=singer_files.schema_message(), check=True, capture_output=True)
    make_indexes(environment, CASES.source, singer_files.column)


def _singer_target(environment: Environment) -> list[str]:
    return [_program("singer-target", "target-postgres"), "--config", str(environment.folder / "target.json")]


def _refresh_singer(environment: Environment) -> Usage:
    tap = [_program("singer-tap", "python"), "-m", "benchmarks.peers.singer_tap"]
    tap += ["--config", str(environment.folder / "tap.json"), "--catalog", str(environment.folder / "catalog.json")]
    pipeline = f"set -o pipefail; {join(tap)} | {join(_singer_target(environment))}"
    return run(["bash", "-c", pipeline], _peer_variables(environment))


OURS = Contestant("ours", CASES.name, make_table, partial(_refresh_ours, "refresh"))
OURS_ISAL = replace(OURS, name="ours_isal", refresh=partial(_refresh_ours, "refresh_isal"))
OURS_UNCHECKED = replace(OURS, name="ours_unchecked", refresh=partial(_refresh_ours, "refresh_unchecked"))
OURS_ISAL_UNCHECKED = replace(
    OURS, name="ours_isal_unchecked", refresh=partial(_refresh_ours, "refresh_isal_unchecked")
)
PEERS = (
    Contestant("pandas", CASES.name, make_table, partial(_refresh_by, "pandas")),
    Contestant("dlt", CASES.name, partial(make_table, arrays=False), partial(_refresh_by, "dlt")),
    Contestant("singer", CASES.source, _prepare_singer, _refresh_singer, singer_files.column),
)
