"""Runs to load: staged chunks in S3, requests for them, and the load itself."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.copying import CopyRequest, CopyResult
from demand_pipeline.contracts.event import CONTRACT, Run
from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, StagedChunk, StagedTable, Step, Strategy
from demand_pipeline.contracts.scanning import ScanRequest
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.load.copy.chunks import copy_chunk
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.s3.staging import ChunkKind, Staging, chunk_key, rejects_key
from demand_pipeline.scan.segment import scan_segment
from demand_pipeline.tables import Table
from demand_pipeline.transform.chunk import transform_chunk
from tests.support.functions import UNLIMITED
from tests.support.warehouse import Warehouse


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


EVERYTHING: dict[str, Any] = {
    "cases": documents(3, tags='{"a,b","c\\"d"}', net_amount=12.50, issue_date="2026-11-23", extra='{"x": 1.10}'),
    "metadata": [row("metadata", document_id="doc-0", field_name="iban", bounding_box="{0.1,NULL}", reviewed=True)],
    "templates": [row("templates", template_id="tpl", version=1, created_at="2026-11-23T00:00:00+00:00")],
    "audit": [],
}


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
        key = chunk_key(run, ChunkKind.STAGED, table, 0, number)
        staged = self.write(key, rows, self.tables[table])
        rejected = self.write(rejects_key(key), rejects)
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
        plain = {
            "run": run,
            "step": Step.LOAD,
            "input": {},
            "tables": tuple(staged),
            "strategy": self.strategy,
            "keep_previous": True,
        }
        return LoadRequest(**{**plain, **limits, **flags, **options})

    def load(self, run: Run, tables: dict[str, Any] | None = None, **options: Any) -> LoadResult:
        """Stage and load."""
        return self.carry_out(self.request(run, tables, **options))

    def carry_out(self, request: LoadRequest, deadline: Deadline = UNLIMITED, **settings: Any) -> LoadResult:
        """Load what is staged; `settings` are those of the warehouse that are other than usual."""
        result: LoadResult | Again = Again(0)
        while isinstance(result, Again):
            result = load_warehouse(request, self.warehouse.at(**settings), self.staging, deadline)
        return result

    def prepare(self, request: LoadRequest) -> None:
        """Call the load as it is called before the copying."""
        answer = load_warehouse(replace(request, step=Step.PREPARE), self.warehouse.settings, self.staging, UNLIMITED)
        assert answer == Again(0)

    def copy(self, request: LoadRequest, chunk: StagedChunk, table: str = "cases") -> CopyResult:
        """Copy a chunk of a request as the function does of which many run at once."""
        one = CopyRequest(request.run, self.tables[table], chunk.key, chunk.staged, chunk.rejected)
        return copy_chunk(one, self.warehouse.settings, self.staging, UNLIMITED)

    def stage(self, run: Run, table: Table) -> list[StagedChunk]:
        """Scan and transform as the state machine does: each chunk starts with the last one's keys, passed on as JSON."""
        chunks: list[StagedChunk] = []
        keys: Any = None
        while not chunks or keys is not None:
            event = {
                "contract": CONTRACT, "run": {"id": run.id, "arn": run.arn, "startedAt": run.started_at.isoformat()}, "table": table.name,
                "source": table.source, "segment": 0, "totalSegments": 1, "chunk": len(chunks), "startKeys": keys,
                "chunkBytes": 1_500_000, "readUnitsPerSecond": 0, "maxItems": None,
            }  # fmt: skip
            raw = scan_segment(ScanRequest.from_event(event), self.staging, UNLIMITED)
            request = TransformRequest(run, table, 0, len(chunks), raw.key, 0, raw.items)
            done = transform_chunk(request, self.staging, UNLIMITED)
            counts = {name: getattr(done, name) for name in ("key", "scanned", "staged", "rejected", "sanitized")}
            chunks.append(StagedChunk(**counts, read_units=raw.read_units, bytes=raw.bytes))
            keys = json.loads(json.dumps(raw.to_event()))["nextKeys"]
            assert len(chunks) < 9, "the same page is read again and again"
        return chunks

    def write(self, key: str, lines: Iterable[Any], table: Table | None = None) -> int:
        """Write an object of rows of a table, or of rejects where there are any; how many."""
        encoded = [json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines]
        if encoded or table:
            with self.staging.create(key, table) as stream:
                stream.writelines(encoded)
        return len(encoded)
