"""The stack's schedule: whether it starts runs, and how to make it stop and go on."""

from dataclasses import dataclass
from typing import Any

from demand.stack import Stack

ENABLED, DISABLED = "ENABLED", "DISABLED"
_ANSWER_ONLY = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")


@dataclass(frozen=True)
class Schedule:
    """When runs start. `deployed` is the state that the stack's parameter sets at the next change of the schedule."""

    name: str
    state: str
    was: str
    expression: str
    timezone: str
    deployed: str


def set_state(stack: Stack, state: str) -> Schedule:
    """Let the schedule start runs, or not.

    UpdateSchedule replaces the whole schedule: what it is not given falls back to a default. So it gets all that
    GetSchedule returned.
    """
    resource = stack.resource("Schedule", "AWS::Scheduler::Schedule")
    scheduler = stack.client("scheduler")
    found: dict[str, Any] = scheduler.get_schedule(Name=resource.physical_id)
    if found["State"] != state:
        kept = {name: value for name, value in found.items() if name not in _ANSWER_ONLY}
        scheduler.update_schedule(**kept | {"State": state})
    return Schedule(
        name=found["Name"],
        state=state,
        was=found["State"],
        expression=found["ScheduleExpression"],
        timezone=found.get("ScheduleExpressionTimezone", "UTC"),
        deployed=stack.parameters.get("ScheduleState", ""),
    )
