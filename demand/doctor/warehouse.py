"""The warehouse, asked where a run would ask it."""

from collections.abc import Callable, Iterator

from demand.doctor.finding import failure
from demand.errors import DemandError
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.check import CheckAnswer, Finding
from demand_pipeline.contracts.operating.request import ActionName

# What the doctor was looking at when PostgreSQL, or the way to it, failed with this error.
_SUBJECTS = {
    "ConfigurationError": "secret",
    "DatabaseConnectionError": "reachability",
    "DatabaseCertificateError": "TLS",
    "DatabaseAuthenticationError": "login",
    "DatabasePrivilegeError": "privileges",
}


def warehouse(stack: Stack, ask: Callable[[], Warehouse]) -> Iterator[Finding]:
    """What a load would meet, under the deployed strategy."""
    strategy = stack.parameters.get("LoadStrategy", "truncate")
    try:
        answer = ask().ask(CheckAnswer, ActionName.CHECK, strategy=strategy)
    except DemandError as error:
        yield failure(_SUBJECTS.get(error.kind, "warehouse"), error.message, error.hint or "see the message")
    else:
        yield from answer.findings
