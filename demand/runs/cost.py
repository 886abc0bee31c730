"""The cost of a run: its read units, its functions' time and its states, at the list prices of `demand.cost`."""

from collections.abc import Sequence
from dataclasses import dataclass

from demand.cost import PRICES, Settings
from demand.runs.tasks import Attempt, Kind


@dataclass(frozen=True)
class Cost:
    """Dollars by service. Requests and storage of S3, PostgreSQL and logs are not counted."""

    read_units: float
    gb_seconds: float
    transitions: int
    dynamodb: float
    functions: float
    state_machine: float
    total: float
    prices: str


def cost(attempts: Sequence[Attempt], transitions: int) -> Cost:
    """Return the cost of all attempts, including failed ones. Functions have the template's memory."""
    called = [attempt for attempt in attempts if attempt.kind is not Kind.DESCRIBE]
    read_units = sum(float(attempt.answer.get("readUnits", 0)) for attempt in called if attempt.kind is Kind.SCAN)
    gb_seconds = sum(attempt.seconds or 0 for attempt in called) * Settings().memory_mb / 1024
    dynamodb = PRICES.read_unit.of(read_units)
    functions = PRICES.lambda_gb_second.of(gb_seconds) + PRICES.lambda_request.of(len(called))
    state_machine = PRICES.transition.of(transitions)
    prices = f"list prices of {PRICES.date} in {PRICES.region}"
    total = dynamodb + functions + state_machine
    return Cost(read_units, gb_seconds, transitions, dynamodb, functions, state_machine, total, prices)
