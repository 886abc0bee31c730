"""Checks of the warehouse from the function's network, as a run would reach it."""

from collections.abc import Callable, Iterator

from demand.doctor.finding import failure
from demand.errors import DemandError
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.check import CheckAnswer, Finding
from demand_pipeline.contracts.operating.request import ActionName

# The subject of the check that fails with this error.
_SUBJECTS = {
    "ConfigurationError": "secret",
    "DatabaseConnectionError": "reachability",
    "DatabaseCertificateError": "TLS",
    "DatabaseAuthenticationError": "login",
    "DatabasePrivilegeError": "privileges",
}


def warehouse(stack: Stack, ask: Callable[[], Warehouse]) -> Iterator[Finding]:
    """Check the warehouse for a load with the deployed strategy."""
    strategy = stack.parameters.get("LoadStrategy", "truncate")
    try:
        answer = ask().ask(CheckAnswer, ActionName.CHECK, strategy=strategy)
    except DemandError as error:
        yield failure(_SUBJECTS.get(error.kind, "warehouse"), error.message, error.hint or "see the message")
    else:
        yield from answer.findings
