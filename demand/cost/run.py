"""A run of one or more tables: its duration, cost and limits."""

from dataclasses import dataclass
from math import ceil
from typing import Self

from demand.cost.measured import Measured
from demand.cost.prices import Prices
from demand.cost.settings import ACCOUNT_FUNCTIONS, EVENTS, PAYLOAD_BYTES, RUN_SECONDS, UPLOAD_PARTS, Settings
from demand.cost.table_run import AROUND, GROUP, OTHER, TASK, TableRun
from demand_pipeline.contracts.loading import Strategy

_DAYS_PER_MONTH = 365 / 12


@dataclass(frozen=True)
class Run:
    """One run of these tables, without retries; the deployment's other tables are skipped."""

    tables: tuple[TableRun, ...]

    @classmethod
    def of_items(cls, items: int, measured: Measured, settings: Settings) -> Self:
        """A run of one table of the benchmark's items."""
        return cls((TableRun(items, items * measured.stored_bytes, measured, settings),))

    @property
    def settings(self) -> Settings:
        """The deployment's settings, the same for all tables."""
        return self.tables[0].settings

    @property
    def prices(self) -> Prices:
        """The prices, the same for all tables."""
        return self.tables[0].prices

    @property
    def items(self) -> int:
        """Items of all tables."""
        return sum(table.items for table in self.tables)

    @property
    def table_bytes(self) -> float:
        """Bytes of all tables, as DynamoDB counts them."""
        return sum(table.table_bytes for table in self.tables)

    @property
    def segments(self) -> int:
        """Segments of all tables."""
        return sum(table.segments for table in self.tables)

    @property
    def chunks(self) -> int:
        """Chunks of all tables."""
        return sum(table.chunks for table in self.tables)

    @property
    def read_units(self) -> float:
        """Read units of all scans."""
        return sum(table.read_units for table in self.tables)

    @property
    def streams(self) -> int:
        """Functions that copy at the same time, each at full speed."""
        return min(self.settings.load_concurrency, self.chunks) if self.is_copied_in_parallel else 1

    @property
    def copying_seconds(self) -> float:
        """Seconds until all chunks are copied."""
        return self._copy_seconds / self.streams

    @property
    def publish_seconds(self) -> float:
        """Seconds from the last chunk to the commit; most of them are PostgreSQL's."""
        return sum(table.publish_seconds for table in self.tables)

    @property
    def readers_wait_seconds(self) -> float:
        """Seconds for which the load locks readers out: none for merge, milliseconds for swap."""
        return self.publish_seconds if self.settings.load_strategy is Strategy.TRUNCATE else 0.0

    @property
    def load_seconds(self) -> float:
        """Seconds from the first chunk's copying to the commit."""
        return self.copying_seconds + self.publish_seconds

    @property
    def load_calls(self) -> int:
        """Calls of the load after the copying; a swap is called again until its indexes are built."""
        assumed = self.tables[0].assumed
        if self.settings.load_strategy is not Strategy.SWAP:
            return 1
        left = max(0.0, self.publish_seconds - assumed.build_seconds)
        return 1 + ceil(left / (assumed.build_seconds + assumed.build_pause_seconds))

    @property
    def seconds(self) -> float:
        """From start to end: the tables are staged in parallel, then loaded."""
        return max(table.staging_seconds for table in self.tables) + self.load_seconds

    @property
    def is_copied_in_parallel(self) -> bool:
        """Whether separate functions copy the chunks, as the state machine decides."""
        return sum(table.response_bytes for table in self.tables) >= self.settings.parallel_copy_bytes

    @property
    def invocations(self) -> int:
        """Calls of functions: two per chunk and the load; if functions copy, one more per chunk and for the load."""
        copying = self.chunks + 1 if self.is_copied_in_parallel else 0
        return 2 * self.chunks + copying + self.load_calls

    @property
    def gb_seconds(self) -> float:
        """GB-seconds of all functions, cold starts included."""
        first = self.tables[0]
        cold = self.invocations * first.assumed.cold_starts * first.measured.cold_start_ms / 1e3
        work = sum(table.scan_seconds + table.transform_seconds for table in self.tables)
        # No function runs, and none is paid for, while a swap builds indexes between two calls.
        pauses = (self.load_calls - 1) * first.assumed.build_pause_seconds
        load = self._copy_seconds + self.publish_seconds - pauses
        return self.settings.memory_mb / 1024 * (work + load + cold)

    @property
    def transitions(self) -> int:
        """States entered, which Step Functions bills: 7 around the branches, 2 in a skipped branch."""
        copying = 2 + self.chunks if self.is_copied_in_parallel else 0
        again = 3 * (self.load_calls - 1)  # CheckLoad, WaitToLoad, LoadWarehouse
        return 7 + 2 * self._skipped + sum(table.branch_transitions for table in self.tables) + copying + again

    @property
    def events(self) -> int:
        """Events in the execution's history: 5 for a Task, 4 for a Map or Parallel, 2 for any other state.

        The execution itself and each iteration of a Map add 2.
        """
        # CheckInput, PrepareRun, ChooseCopying, CheckLoad, FinishRun; Refresh; LoadWarehouse
        machine = AROUND + 5 * OTHER + GROUP + TASK
        copying = TASK + GROUP + self.chunks * (AROUND + TASK) if self.is_copied_in_parallel else 0
        again = (TASK + 2 * OTHER) * (self.load_calls - 1)
        branches = self._skipped * 2 * OTHER + sum(table.branch_events for table in self.tables)
        return machine + branches + copying + again

    @property
    def dollars(self) -> dict[str, float]:
        """Cost by service."""
        prices, months = self.prices, self.settings.staging_days / _DAYS_PER_MONTH
        writes, reads = (sum(getattr(table, name) for table in self.tables) for name in ("s3_writes", "s3_reads"))
        return {
            "Lambda": prices.lambda_gb_second.of(self.gb_seconds) + prices.lambda_request.of(self.invocations),
            "Step Functions": prices.transition.of(self.transitions),
            "S3 requests": prices.s3_write.of(writes) + prices.s3_read.of(reads),
            "S3 storage": prices.s3_gb_month.of(sum(table.s3_gb for table in self.tables)) * months,
            "DynamoDB reads": prices.read_unit.of(self.read_units),
        }

    @property
    def total(self) -> float:
        """Dollars of the whole run."""
        return sum(self.dollars.values())

    @property
    def limits(self) -> dict[str, float]:
        """The share of each limit that the run uses. Above 1 the run fails, and the tables stay unchanged."""
        settings = self.settings
        functions = settings.functions_at_once * settings.tables
        payload = sum(table.payload_bytes for table in self.tables)
        parts = max(table.parts_of_chunk for table in self.tables)
        time, strategy = settings.usable_seconds, settings.load_strategy
        is_one_call = strategy is not Strategy.SWAP
        load = {f"time of the load with {strategy}, {time:.0f} s": self.publish_seconds / time} if is_one_call else {}
        longest = max(table.copy_seconds / table.chunks for table in self.tables)
        return load | {
            f"time to copy a chunk, {time:.0f} s": longest / time,
            "time of a run, 24 hours": self.seconds / RUN_SECONDS,
            f"events of an execution, {EVENTS:,}": self.events / EVENTS,
            "input of the load, 256 KiB": payload / PAYLOAD_BYTES,
            f"parts of a chunk, {UPLOAD_PARTS:,}": parts / UPLOAD_PARTS,
            f"concurrent functions, {ACCOUNT_FUNCTIONS:,} per account": functions / ACCOUNT_FUNCTIONS,
        }

    @property
    def binding(self) -> tuple[str, float]:
        """The limit that is reached first, and the share of it that the run uses."""
        return max(self.limits.items(), key=lambda limit: limit[1])

    @property
    def disk_bytes(self) -> float:
        """The maximum size of the tables on PostgreSQL's disk during the load, without WAL."""
        return sum(table.disk_bytes for table in self.tables)

    @property
    def _copy_seconds(self) -> float:
        return sum(table.copy_seconds for table in self.tables)

    @property
    def _skipped(self) -> int:
        return self.settings.tables - len(self.tables)
