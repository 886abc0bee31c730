"""The stack's schedule: reads, pauses and resumes it."""

from dataclasses import dataclass
from typing import Any

from demand.stack import Stack

ENABLED, DISABLED = "ENABLED", "DISABLED"
_ANSWER_ONLY = ("Arn", "CreationDate", "LastModificationDate", "ResponseMetadata")


@dataclass(frozen=True)
class Schedule:
    """The schedule. `deployed` is the stack's parameter, which a deployment that changes the schedule restores."""

    name: str
    state: str
    was: str
    expression: str
    timezone: str
    deployed: str


def set_state(stack: Stack, state: str) -> Schedule:
    """Enable or disable the schedule.

    UpdateSchedule replaces the whole schedule and resets missing fields to defaults, so it gets all fields of
    GetSchedule.
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
