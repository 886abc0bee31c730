"""Checks of the account: credentials, the stack's state, and free concurrency."""

from collections.abc import Callable, Iterator
from math import ceil
from typing import Any

from demand.cost.settings import Settings
from demand.doctor.finding import failure, ok, warning
from demand.stack import Stack
from demand_pipeline.contracts.operating.check import Finding

_FREE_SHARE = 0.75  # of the account's free concurrency: template.yaml, MaxFunctionsPerTable


def credentials(clients: Callable[[str], Any]) -> Iterator[Finding]:
    """The caller's identity."""
    identity = clients("sts").get_caller_identity()
    yield ok("credentials", f"{identity['Arn']} in account {identity['Account']}")


def stack_state(stack: Stack) -> Iterator[Finding]:
    """Whether the last deployment succeeded."""
    [described] = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    state = described["StackStatus"]
    if state.endswith("_IN_PROGRESS"):
        yield warning("stack", f"{stack.name} is {state}", "wait until the deployment has ended before you start a run")
    elif state.endswith("FAILED"):
        yield failure("stack", f"{stack.name} is {state}", "see docs/deploy.md, A deployment that failed")
    elif "ROLLBACK" in state:
        message = f"{stack.name} is {state}: the last deployment failed"
        yield warning("stack", message, "see docs/deploy.md, A deployment that failed")
    else:
        yield ok("stack", f"{stack.name} in {stack.region} is {state}")


def concurrency(stack: Stack) -> Iterator[Finding]:
    """Whether a run's functions fit into the account's free concurrency; otherwise calls are throttled."""
    limits = stack.client("lambda").get_account_settings()["AccountLimit"]
    free = int(limits["UnreservedConcurrentExecutions"])
    settings = Settings(functions_per_table=int(stack.parameters.get("MaxFunctionsPerTable", "40")))
    most = settings.functions_at_once * settings.tables
    if most <= free * _FREE_SHARE:
        yield ok("concurrency", f"up to {most} functions at once; {free} are free in the account")
        return
    fits = max(1, int(free * _FREE_SHARE / settings.tables))
    needed = ceil(most / _FREE_SHARE)
    message = f"up to {most} functions at once, but only {free} are free in the account, so calls are throttled"
    yield warning("concurrency", message, f"set MaxFunctionsPerTable to {fits}, or raise Lambda's quota to {needed}")
