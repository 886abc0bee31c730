"""A run's counts are compared with the sample's."""

import pytest

from local import run
from local.run import RunError


class FakePostgres:
    def execute(self, _sql: str) -> str:
        return "7"


class FakeStack:
    postgres = FakePostgres()


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("scanned", "scanned 11, expected 10"),
        ("rejected", "rejected 4, expected 3"),
        ("sanitized", "sanitized 1, expected 0"),
        ("loaded", "loaded 8, expected 7"),
    ],
)
def test_a_count_that_is_not_the_samples_is_named(field: str, told: str) -> None:
    table = {"table": "cases", "scanned": 10, "rejected": 3, "sanitized": 0, "loaded": 7}
    expected = {"cases": {"items": 10, "rejected": 3, "sanitized": 0}}
    run.check(FakeStack(), {"tables": [table]}, expected)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=told):
        run.check(FakeStack(), {"tables": [{**table, field: table[field] + 1}]}, expected)  # type: ignore[arg-type, operator]


def test_rows_missing_from_the_warehouse_are_named() -> None:
    table = {"table": "cases", "scanned": 9, "rejected": 3, "sanitized": 0, "loaded": 6}
    with pytest.raises(RunError, match="in the warehouse 7, expected 6"):
        run.check(FakeStack(), {"tables": [table]}, {"cases": {"items": 9, "rejected": 3, "sanitized": 0}})  # type: ignore[arg-type]
