"""The transform with and without its counting of drift."""

import io
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from benchmarks.run_function import UNLIMITED
from benchmarks.workload import CASES
from demand_pipeline.contracts.event import Run
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.dynamodb.typed_json import summarize_page
from demand_pipeline.tables import Table
from demand_pipeline.transform import fast_path
from demand_pipeline.transform.chunk import transform_chunk

if TYPE_CHECKING:
    from demand_pipeline.s3.staging import Staging

_TURNS = 50
_RUN = Run("benchmark", "benchmark", datetime(2026, 11, 27, tzinfo=UTC))
_counting = re.compile(r"\n    others = \(\)|; others \+= \(\d+,\)|\n    if others: .*")


def cost(pages: list[bytes], turns: int = _TURNS) -> float:
    """How much more CPU the transform of these pages takes than one that counts no drift, in percent.

    The difference is too small for processes of their own, so both take turns in this one, without S3 and gzip. The
    least of each counts, because nothing else on the machine can make it less.
    """
    counted, plain = [_cpu(pages)], []
    for _ in range(turns):
        with uncounted():
            plain.append(_cpu(pages))
        counted.append(_cpu(pages))
    return 100 * (min(counted) / min(plain) - 1)


@contextmanager
def uncounted() -> Iterator[None]:
    """Let the transforms of this process count no drift, as if nothing of that were in the code."""
    source = fast_path.source
    instead = {
        "rows.DriftCounter": _NoCounter,
        "fast_path.source": lambda table: _counting.sub("", source(table)),
        "chunk._Output.write_drift": lambda _: None,
    }
    with ExitStack() as stack:
        for name, other in instead.items():
            stack.enter_context(patch(f"demand_pipeline.transform.{name}", other))
        yield


def _cpu(pages: list[bytes]) -> float:
    items = sum(summarize_page(page).items for page in pages)
    request = TransformRequest(_RUN, CASES, segment=0, chunk=0, key="raw", page=0, items=items)
    start = time.process_time()
    transform_chunk(request, cast("Staging", _Memory(pages)), UNLIMITED)
    return time.process_time() - start


@dataclass(frozen=True)
class _Memory:
    """In place of a staging bucket: every object is the same one, and what is written is gone."""

    pages: list[bytes]

    def lines(self, _: str) -> Iterator[bytes]:
        """Read an object."""
        return iter(self.pages)

    @contextmanager
    def create(self, *_: Any) -> Iterator[io.BytesIO]:
        """Write an object."""
        yield io.BytesIO()


class _NoCounter:
    """In place of a DriftCounter."""

    absent = frozenset[int]()

    def __init__(self, table: Table) -> None:
        pass

    def ignore(self, *_: Any) -> None:
        """Count nothing."""

    look = count = count_unread = count_types = ignore
