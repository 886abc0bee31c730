"""The transform with and without drift detection."""

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
    """Return how much more CPU the transform of these pages takes with drift detection, in percent.

    The difference is too small for separate processes, so both variants take turns in this one, without S3 and gzip.
    The minimum of each counts, because other load on the machine can only increase the time.
    """
    counted, plain = [_cpu(pages)], []
    for _ in range(turns):
        with uncounted():
            plain.append(_cpu(pages))
        counted.append(_cpu(pages))
    return 100 * (min(counted) / min(plain) - 1)


@contextmanager
def uncounted() -> Iterator[None]:
    """Remove drift detection from the transforms of this process, as if the code did not contain it."""
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
    """Replaces a staging bucket: every object has the same content, and written objects are discarded."""

    pages: list[bytes]

    def lines(self, _: str) -> Iterator[bytes]:
        """Return the lines of the pages."""
        return iter(self.pages)

    @contextmanager
    def create(self, *_: Any) -> Iterator[io.BytesIO]:
        """Discard an object."""
        yield io.BytesIO()


class _NoCounter:
    """Replaces a DriftCounter."""

    absent = frozenset[int]()

    def __init__(self, table: Table) -> None:
        pass

    def ignore(self, *_: Any) -> None:
        """Count nothing."""

    look = count = count_unread = count_types = ignore
