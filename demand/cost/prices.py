"""List prices, each with the page that states it and how it was checked."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """A list price in US dollars for `per` units."""

    dollars: float
    per: float
    unit: str
    source: str
    check: str

    def of(self, units: float) -> float:
        """Dollars for this many units."""
        return self.dollars * units / self.per


@dataclass(frozen=True)
class Prices:
    """The prices of a run, without free tiers, discounts and taxes."""

    region: str
    date: str
    lambda_gb_second: Price
    lambda_request: Price
    transition: Price
    s3_write: Price
    s3_read: Price
    s3_gb_month: Price
    read_unit: Price


_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_STEP_FUNCTIONS = "https://aws.amazon.com/step-functions/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"

# Stored copies of most pages lack the prices, which a script fills in; other sites confirm them.
PRICES = Prices(
    region="us-east-1",
    date="2026-11-23",
    lambda_gb_second=Price(0.0000166667, 1, "GB-second (x86_64)", _LAMBDA, "confirmed by cloudchipr.com"),
    lambda_request=Price(0.20, 1e6, "million requests", _LAMBDA, "read in a transcript of the page, September 2026"),
    transition=Price(0.025, 1000, "1,000 state transitions", _STEP_FUNCTIONS, "read in a stored copy of the page"),
    s3_write=Price(0.005, 1000, "1,000 PUT or POST", _S3, "confirmed by cloudkaramchari.com"),
    s3_read=Price(0.0004, 1000, "1,000 GET", _S3, "not verified: from older price lists"),
    s3_gb_month=Price(0.023, 1, "GB-month, first 50 TB", _S3, "confirmed by deepeshsoni.com"),
    read_unit=Price(0.125, 1e6, "million read request units", _DYNAMODB, "confirmed by airbyte.com"),
)
