"""Everything in the cost model that is neither measured nor read from the template."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Price:
    """A list price in US dollars."""

    dollars: float
    per: float  # units of what is sold
    unit: str
    source: str  # the page that says so
    check: str  # how it was looked up

    def of(self, units: float) -> float:
        """Dollars for this many units."""
        return self.dollars * units / self.per


_COPY = "not readable in the page's stored copy (prices are filled in by script); agrees with {}"


@dataclass(frozen=True)
class Prices:
    """List prices of US East (N. Virginia), looked up on `date`; free tiers, discounts and taxes are left out."""

    region: str = "us-east-1"
    date: str = "2026-11-23"
    lambda_gb_second: Price = Price(
        0.0000166667, 1, "GB-second (x86_64)", "https://aws.amazon.com/lambda/pricing/", _COPY.format("cloudchipr.com")
    )
    lambda_request: Price = Price(
        0.20,
        1e6,
        "million requests",
        "https://aws.amazon.com/lambda/pricing/",
        "read in a transcript of the page (September 2026)",
    )
    transition: Price = Price(
        0.025,
        1000,
        "1,000 state transitions",
        "https://aws.amazon.com/step-functions/pricing/",
        "read in a stored copy of the page",
    )
    s3_write: Price = Price(
        0.005, 1000, "1,000 PUT or POST", "https://aws.amazon.com/s3/pricing/", _COPY.format("cloudkaramchari.com")
    )
    s3_read: Price = Price(
        0.0004,
        1000,
        "1,000 GET",
        "https://aws.amazon.com/s3/pricing/",
        "**not verified**: known from older price lists",
    )
    s3_gb_month: Price = Price(
        0.023,
        1,
        "GB-month, the first 50 TB",
        "https://aws.amazon.com/s3/pricing/",
        _COPY.format("deepeshsoni.com"),
    )
    read_unit: Price = Price(
        0.125,
        1e6,
        "million read request units",
        "https://aws.amazon.com/dynamodb/pricing/on-demand/",
        _COPY.format("airbyte.com"),
    )


@dataclass(frozen=True)
class Assumptions:
    """What a run is taken to be: one table `documents`, on demand, read in full, with the template's defaults."""

    prices: Prices = field(default_factory=Prices)
    # DynamoDB documents 3,000 read units a second for a partition of at most 10 GB, and a page of 1 MB takes 128:
    # one reader of one partition waits about this long for a page.
    page_seconds: float = 128 / 3000
    partition_bytes: float = 10e9
    partition_units_per_second: float = 3000
    # DynamoDB's default quota of an on-demand table; it can be raised on request.
    table_units_per_second: float = 40_000
    # What one connection to S3 carries, by experience; documented are about 85-90 MB/s.
    s3_bytes_per_second: float = 85e6
    # Lambda's processor beside the one that was measured: as fast. A GB-second costs less on arm64.
    processor: float = 1.0
    # Every invocation starts cold, which is billed: too much, but little.
    cold_starts: float = 1.0
    run_name: str = "scheduled-01234567-89ab-cdef-0123-456789abcdef"


RUN_ITEMS = (1_000_000, 100_000_000, 1_000_000_000)
EVENTS, PAYLOAD_BYTES = 25_000, 256 * 1024  # Step Functions: an execution's history, a state's input
ACCOUNT_FUNCTIONS = 1_000  # Lambda: functions of an account that run at once, by default; a new account has fewer
UPLOAD_PARTS = 10_000  # S3: parts of an object
