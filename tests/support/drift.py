"""What a drift counter has counted of attributes."""

from demand_pipeline.transform.drift import ALL, NONE, DriftCounter


def drift_counts(counter: DriftCounter) -> dict[tuple[str, str], int]:
    return {(path, kind): items for path, kind, items in counter.result(0) if path != ALL and kind != NONE}
