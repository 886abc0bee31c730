"""All checks, in the order in which a run depends on them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from demand.config import Config
from demand.doctor import account, operations, parameters, source, validation
from demand.doctor.finding import made
from demand.doctor.warehouse import warehouse
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.check import Finding, State


@dataclass(frozen=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    def count(self, state: State) -> int:
        """Return the number of findings in a state."""
        return sum(finding.state is state for finding in self.findings)


def examine(
    clients: Callable[[str], Any],
    find_stack: Callable[[], Stack],
    ask: Callable[[Stack], Warehouse],
    find_config: Callable[[], Config],
) -> Iterator[Finding]:
    """Make all checks and yield each finding at once; only the first ones without credentials or a stack."""
    identity = list(made("credentials", lambda: account.credentials(clients)))
    yield from identity
    if any(finding.state is State.FAILURE for finding in identity):
        return
    found: list[Stack] = []
    yield from made("stack", lambda: _found(find_stack, found))
    for stack in found:
        for subject, check in (
            ("parameters", lambda stack: parameters.parameters(stack, find_config())),
            ("source tables", source.source_tables),
            ("concurrency", account.concurrency),
            ("secrets", operations.secrets),
            ("warehouse", lambda stack: warehouse(stack, lambda: ask(stack))),
            ("retention", operations.retention),
            ("schedule", operations.schedule),
            ("alarms", operations.alarms),
            ("definition", validation.definition),
            ("policies", validation.policies),
        ):
            yield from made(subject, lambda check=check, stack=stack: check(stack))  # type: ignore[misc]


def _found(find_stack: Callable[[], Stack], found: list[Stack]) -> Iterator[Finding]:
    found.append(find_stack())
    yield from account.stack_state(found[0])
