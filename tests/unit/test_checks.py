"""What must hold before a load is committed."""

import pytest

from demand_pipeline.builders import CASES
from demand_pipeline.contracts.loading import StagedChunk, StagedTable
from demand_pipeline.errors import RejectLimitError
from demand_pipeline.load.checks import check_rejects

CHUNK = StagedChunk(key="k", scanned=100, staged=99, rejected=1, sanitized=5, read_units=0, bytes=0)


def test_key_collisions_count_as_rejects() -> None:
    table = StagedTable(CASES, segments=1, chunks=(CHUNK, CHUNK))
    check_rejects(table, 2, key_collisions=2)
    with pytest.raises(RejectLimitError, match=r"^cases: 5 of 200 items rejected, 2.50%, .* is 2; .*; 3 had another"):
        check_rejects(table, 2, key_collisions=3)
