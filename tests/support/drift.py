"""The counts of unexpected attributes, as tests compare them."""

from demand_pipeline.transform.drift import ALL, NONE, DriftCounter


def counts(counter: DriftCounter) -> dict[tuple[str, str], int]:
    """Items by path and type, without those of absent columns."""
    return {(path, kind): items for path, kind, items in counter.result(0) if path != ALL and kind != NONE}
