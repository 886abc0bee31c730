"""The benchmark's figures that the model needs; `make generate` copies them into `measured.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

FILE = Path(__file__).with_name("measured.json")


@dataclass(frozen=True)
class Measured:
    """CPU and sizes of one item of the benchmark. The fields have the file's names."""

    date: str
    scan_us: float
    transform_us: float
    # The load, with PostgreSQL's work: copying into a shadow in one stream, then publishing.
    copy_us: float
    truncate_us: float
    merge_us: float
    swap_us: float
    stored_bytes: float  # as DynamoDB counts them
    response_bytes: float  # DynamoDB JSON
    raw_bytes: float  # compressed
    staged_bytes: float  # compressed
    heap_bytes: float  # of a row in PostgreSQL
    index_bytes: float  # of a row in the key and two more indexes
    cold_start_ms: float

    @classmethod
    def load(cls, path: Path = FILE) -> Self:
        """Read the file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))
