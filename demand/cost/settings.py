"""The settings of a deployment, AWS's limits, and the model's assumptions."""

from dataclasses import dataclass

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.deadline import RESERVE_SECONDS

# Step Functions: events of an execution, a state's input. Lambda: concurrency of an account. S3: parts of an object.
EVENTS, PAYLOAD_BYTES, ACCOUNT_FUNCTIONS, UPLOAD_PARTS = 25_000, 256 * 1024, 1_000, 10_000
RUN_SECONDS = 24 * 3600  # the state machine's own


@dataclass(frozen=True)
class Settings:
    """The deployment's settings. The defaults are the template's and the library's; a test compares them."""

    tables: int = len(TABLES)
    memory_mb: int = 1769  # one processor
    timeout_seconds: int = 900
    min_segments: int = 1
    max_segments: int = 40
    segment_bytes: int = 2 << 30
    segment_readers: int = 2  # that read a segment concurrently if read units have no limit
    chunk_bytes: int = 256 << 20
    part_bytes: int = 8 << 20
    run_chunks: int = 360  # of all tables together; more do not fit into the load's event
    functions_per_table: int = 40
    run_functions: int = 160  # of all tables together
    read_units_per_second: int = 0  # the limit of a table's scan; 0: no limit
    parallel_copy_bytes: int = 256 << 20  # of pages, above which separate functions copy the chunks
    load_concurrency: int = 4  # of these functions
    load_strategy: Strategy = Strategy.TRUNCATE
    keep_previous: bool = True
    staging_days: int = 17

    @property
    def usable_seconds(self) -> float:
        """Remaining working time of a function."""
        return self.timeout_seconds - RESERVE_SECONDS

    @property
    def chunks_per_table(self) -> int:
        """The table's share of the run's chunks, which also limits its segments."""
        return self.run_chunks // self.tables

    @property
    def functions_at_once(self) -> int:
        """Functions that run at the same time for one table."""
        return min(self.functions_per_table, self.run_functions // self.tables)


@dataclass(frozen=True)
class Assumptions:
    """Assumptions about AWS's speed: neither measured nor configurable."""

    # DynamoDB: 3,000 read units a second for a partition of at most 10 GB, 128 for a page of 1 MB. So this is the time
    # in which a single reader of a partition gets a page.
    page_units: int = 128
    page_seconds: float = 128 / 3000
    partition_bytes: float = 10e9
    partition_units_per_second: float = 3000
    # DynamoDB: the default quota of an on-demand table; AWS raises it on request.
    table_units_per_second: float = 40_000
    # S3: one connection; AWS documents 85 to 90 MB/s.
    s3_bytes_per_second: float = 85e6
    # Lambda's processor compared with the measured one.
    processor: float = 1.0
    # Cold starts per invocation: an upper bound, which costs little.
    cold_starts: float = 1.0
    # A swap: the time that a call of the load waits for indexes, and the pause until the next call.
    build_seconds: float = 60.0
    build_pause_seconds: float = 30.0
