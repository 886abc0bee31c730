"""Who does the same work: the table they start from, the commands they are, and where they leave the rows."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.peers import singer_files
from benchmarks.process import Usage, run
from benchmarks.stand import ROOT, Stand
from benchmarks.workload import CASES
from demand_pipeline.load.schema import TableSchema, create_table
from demand_pipeline.postgres.statements import qualified, quote
from demand_pipeline.tables import ColumnType

SCHEMA = "public"
# Beside the primary key, alike for all: the case, and a supplier's invoices by date.
_INDEXES = (("case_id",), ("supplier_tax_id", "issue_date"))


@dataclass(frozen=True)
class Contestant:
    """`prepare` makes the empty table; `refresh` fills it, measured; `column` names a column's place in it."""

    name: str
    table: str
    prepare: Callable[[Stand], None]
    refresh: Callable[[Stand], Usage]
    column: Callable[[str], str]


def _as_declared(name: str) -> str:
    return name


def _peer(name: str, module: str, *arguments: str, arrays: bool = True) -> Contestant:
    def refresh(stand: Stand) -> Usage:
        command = [str(python(name)), "-m", f"benchmarks.peers.{module}", *arguments]
        return run(command, environment=_peer_environment(stand))

    return Contestant(name, CASES.name, partial(_make_table, arrays=arrays), refresh, _as_declared)


def python(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return ROOT / f".venv-bench-{name}" / "bin" / "python"


def _peer_environment(stand: Stand) -> Mapping[str, str]:
    columns = stand.folder / "columns.json"
    columns.write_text(json.dumps([[column.name, column.type, column.path] for column in CASES.columns]))
    here = {"PYTHONPATH": str(ROOT), "BENCHMARK_COLUMNS": str(columns), "HOME": str(stand.folder)}
    here |= {"RUNTIME__DLTHUB_TELEMETRY": "false"}
    return stand.aws_environment() | stand.postgres.environment() | here


def _make_table(stand: Stand, *, arrays: bool = True) -> None:
    stand.empty()
    columns = CASES.stored_columns
    if not arrays:
        columns = tuple(replace(each, type=ColumnType.JSONB) if each.type.endswith("[]") else each for each in columns)
    stand.postgres.execute(create_table(SCHEMA, TableSchema(CASES.name, CASES.description, columns)))
    _make_indexes(stand, CASES.name, _as_declared)


def _make_indexes(stand: Stand, table: str, column: Callable[[str], str]) -> None:
    for names in _INDEXES:
        columns = ", ".join([quote(column(name)) for name in names])
        stand.postgres.execute(f"CREATE INDEX ON {qualified(SCHEMA, table)} ({columns})")


def _singer_column(name: str) -> str:
    return singer_files.SEPARATOR.join(next(map(str, column.path) for column in CASES.columns if column.name == name))


def _singer_target(stand: Stand) -> list[str]:
    program = ROOT / ".venv-bench-singer-target" / "bin" / "target-postgres"
    return [str(program), "--config", str(stand.folder / "target.json")]


def _prepare_singer(stand: Stand) -> None:
    stand.empty()
    singer_files.write(stand.folder, stand.postgres)
    subprocess.run(_singer_target(stand), input=singer_files.schema_message(), check=True, capture_output=True)
    _make_indexes(stand, CASES.source, _singer_column)


def _refresh_singer(stand: Stand) -> Usage:
    files = {name: str(stand.folder / f"{name}.json") for name in ("tap", "catalog")}
    tap = [str(python("singer-tap")), "-m", "benchmarks.peers.singer_tap"]
    tap += ["--config", files["tap"], "--catalog", files["catalog"]]
    return run(tap, _singer_target(stand), environment=_peer_environment(stand))


def ours(segments: int = 2, processes: int = 2) -> Contestant:
    """Ours, as the state machine runs it; see `parts.end_to_end` for why so."""
    return Contestant(
        "ours",
        CASES.name,
        _make_table,
        lambda stand: stand.refresh(segments=segments, processes=processes)[0],
        _as_declared,
    )


PEERS = (
    _peer("pandas", "pandas_execute_values"),
    _peer("awswrangler", "awswrangler_to_sql"),
    _peer("dlt", "dlt_pipeline", arrays=False),
    Contestant("singer", CASES.source, _prepare_singer, _refresh_singer, _singer_column),
)
