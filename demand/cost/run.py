"""A run of one or more tables: how long it takes, what it costs and which limits it reaches."""

from dataclasses import dataclass

from demand.cost.prices import Prices
from demand.cost.settings import ACCOUNT_FUNCTIONS, EVENTS, PAYLOAD_BYTES, UPLOAD_PARTS, Settings
from demand.cost.table_run import AROUND, GROUP, OTHER, TASK, TableRun

_DAYS_PER_MONTH = 365 / 12


@dataclass(frozen=True)
class Run:
    """One run of these tables, without retries; the deployment's other tables are skipped."""

    tables: tuple[TableRun, ...]

    @property
    def settings(self) -> Settings:
        """The deployment's settings, the same for all tables."""
        return self.tables[0].settings

    @property
    def prices(self) -> Prices:
        """The prices, the same too."""
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
    def load_seconds(self) -> float:
        """Seconds of the load, and of the functions that copy chunks for it; most of them are PostgreSQL's."""
        return sum(table.load_seconds for table in self.tables)

    @property
    def seconds(self) -> float:
        """From start to end: the tables are staged in parallel, then loaded."""
        return max(table.staging_seconds for table in self.tables) + self.load_seconds

    @property
    def is_copied_in_parallel(self) -> bool:
        """Whether functions of their own copy the chunks, as the state machine decides."""
        return sum(table.response_bytes for table in self.tables) >= self.settings.parallel_copy_bytes

    @property
    def invocations(self) -> int:
        """Calls of functions: two per chunk and the load, or three per chunk and two of the load."""
        return 3 * self.chunks + 2 if self.is_copied_in_parallel else 2 * self.chunks + 1

    @property
    def gb_seconds(self) -> float:
        """GB-seconds of all functions, cold starts included."""
        first = self.tables[0]
        cold = self.invocations * first.assumed.cold_starts * first.measured.cold_start_ms / 1e3
        work = sum(table.scan_seconds + table.transform_seconds for table in self.tables)
        return self.settings.memory_mb / 1024 * (work + self.load_seconds + cold)

    @property
    def transitions(self) -> int:
        """States entered, by which Step Functions bills: 7 around the branches, 2 in one that is skipped."""
        copying = 2 + self.chunks if self.is_copied_in_parallel else 0
        return 7 + 2 * self._skipped + sum(table.branch_transitions for table in self.tables) + copying

    @property
    def events(self) -> int:
        """Events in the execution's history: 5 for a Task, 4 for a Map or Parallel, 2 for any other state.

        The execution itself and each iteration of a Map add 2.
        """
        # CheckInput, PrepareRun, ChooseCopying, CheckLoad, FinishRun; Refresh; LoadWarehouse
        machine = AROUND + 5 * OTHER + GROUP + TASK
        copying = TASK + GROUP + self.chunks * (AROUND + TASK) if self.is_copied_in_parallel else 0
        return machine + self._skipped * 2 * OTHER + sum(table.branch_events for table in self.tables) + copying

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
        """The share of each limit that the run uses. Above 1 it fails: nothing is loaded, yesterday's data stays."""
        settings = self.settings
        functions = settings.functions_per_table * settings.tables
        payload = sum(table.payload_bytes for table in self.tables)
        parts = max(table.parts_of_chunk for table in self.tables)
        return {
            f"time of the load, {settings.usable_seconds:.0f} s": self.load_seconds / settings.usable_seconds,
            f"events of an execution, {EVENTS:,}": self.events / EVENTS,
            "input of the load, 256 KiB": payload / PAYLOAD_BYTES,
            f"parts of a chunk, {UPLOAD_PARTS:,}": parts / UPLOAD_PARTS,
            f"concurrent functions, {ACCOUNT_FUNCTIONS:,} per account": functions / ACCOUNT_FUNCTIONS,
        }

    @property
    def _skipped(self) -> int:
        return self.settings.tables - len(self.tables)
