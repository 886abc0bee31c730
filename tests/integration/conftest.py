"""Runs to load: staged chunks in S3, requests for them, and the load itself."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.loading import LoadRequest, LoadResult, StagedChunk, StagedTable, Strategy
from demand_pipeline.load import transaction
from demand_pipeline.load.context import Changes, LoadContext
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.s3.staging import Stage, Staging, chunk_key, rejects_key
from demand_pipeline.tables import Table
from tests.conftest import UNLIMITED, Warehouse

LOADER_ROLE = Path(__file__).parents[2] / "docs" / "loader-role.sql"

type Load = Callable[..., LoadResult]

TRUNCATE_ALONE = pytest.mark.parametrize("strategy", [Strategy.TRUNCATE])
MERGE_ALONE = pytest.mark.parametrize("strategy", [Strategy.MERGE])


def run_at(hour: int) -> Run:
    return Run(f"run-{hour}", f"arn:aws:states:::execution:run-{hour}", datetime(2026, 11, 23, hour, tzinfo=UTC))


def row(table: str, **values: Any) -> list[Any]:
    """A staged row: a value a column, null where none is given."""
    return [values.get(column.name) for column in TABLES[table].stored_columns]


def documents(count: int, **values: Any) -> list[list[Any]]:
    return [row("cases", document_id=f"doc-{number}", **values) for number in range(count)]


def reject(document: str, reason: str = "issue_date: expected date, got S 'x'") -> dict[str, Any]:
    key = {"documentId": {"S": document}}
    return {"key": key, "reason": reason, "item": {**key, "issueDate": {"S": "x"}}}


@dataclass
class Runs:
    """Stages chunks and makes the requests to load them."""

    staging: Staging
    warehouse: Warehouse
    tables: dict[str, Table] = field(default_factory=lambda: dict(TABLES))
    strategy: Strategy = Strategy.TRUNCATE

    def chunk(
        self,
        run: Run,
        table: str,
        rows: Iterable[list[Any]],
        rejects: Iterable[dict[str, Any]] = (),
        number: int = 0,
        **counts: Any,
    ) -> StagedChunk:
        """Write a chunk and its rejects; `counts` are what the transform is to have said otherwise."""
        key = chunk_key(run, Stage.STAGED, table, 0, number)
        staged = self._write(key, rows, self.tables[table])
        rejected = self._write(rejects_key(key), rejects)
        honest = {"scanned": staged + rejected, "staged": staged, "rejected": rejected, "sanitized": 0}
        return StagedChunk(**{"key": key, **honest, "read_units": 12.5, "bytes": 1000, **counts})

    def request(self, run: Run, tables: dict[str, Any] | None = None, **options: Any) -> LoadRequest:
        """A request for tables, each given as its rows or as its chunks."""
        staged = []
        for name, content in (tables or {"cases": documents(1)}).items():
            chunks = content if content and isinstance(content[0], StagedChunk) else [self.chunk(run, name, content)]
            staged.append(StagedTable(self.tables[name], segments=1, chunks=tuple(chunks)))
        limits = {"max_reject_percent": 1, "max_shrink_percent": 100}
        flags = {"dry_run": False, "save_csv": False, "force": False}
        plain = {"run": run, "input": {}, "tables": tuple(staged), "strategy": self.strategy}
        return LoadRequest(**{**plain, **limits, **flags, **options})

    def load(self, run: Run, tables: dict[str, Any] | None = None, **options: Any) -> LoadResult:
        """Stage and load."""
        return load_warehouse(self.request(run, tables, **options), self.warehouse.settings, self.staging, UNLIMITED)

    def _write(self, key: str, lines: Iterable[Any], table: Table | None = None) -> int:
        encoded = [json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines]
        if encoded or table:
            with self.staging.create(key, table) as stream:
                stream.writelines(encoded)
        return len(encoded)


@pytest.fixture(params=Strategy)
def strategy(request: pytest.FixtureRequest) -> Strategy:
    return request.param


@pytest.fixture
def runs(staging: Staging, warehouse: Warehouse, strategy: Strategy) -> Runs:
    """A promise holds for both strategies; a test of one alone is marked as such."""
    return Runs(staging, warehouse, strategy=strategy)


def before_placing(patch: pytest.MonkeyPatch, act: Callable[[LoadContext], None]) -> None:
    """Do something when everything is staged and checked, and nothing yet put in place."""
    for strategy, replace_rows in transaction._STRATEGIES.items():

        def acted(context: LoadContext, then: Callable[..., Any] = replace_rows) -> dict[str, Changes]:
            act(context)
            return then(context)

        patch.setitem(transaction._STRATEGIES, strategy, acted)


def run_loader_role(warehouse: Warehouse, schema: str = "warehouse") -> None:
    """Run docs/loader-role.sql as `master`."""
    variables = f"\\set schema {schema}\n\\set readers analysts\n"
    warehouse.sql(f"SET SESSION AUTHORIZATION master;\n{variables}{LOADER_ROLE.read_text()}")


@pytest.fixture
def minimal(warehouse: Warehouse) -> Iterator[Warehouse]:
    """The warehouse, reached as the role of docs/loader-role.sql; `master` is like RDS's master user, no superuser."""
    database = warehouse.settings.database
    warehouse.sql(
        "CREATE ROLE master CREATEDB CREATEROLE; CREATE ROLE analysts;"
        f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC; ALTER DATABASE "{database}" OWNER TO master'
    )
    run_loader_role(warehouse)
    warehouse.sql("SET SESSION AUTHORIZATION master; ALTER ROLE demand_loader PASSWORD 'load'")
    warehouse.put_secret("demand_loader", "load")
    yield warehouse
    warehouse.sql(f'ALTER DATABASE "{database}" OWNER TO admin')
    for role in ("demand_loader", "analysts", "master"):
        warehouse.sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
