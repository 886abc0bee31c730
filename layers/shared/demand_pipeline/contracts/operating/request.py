"""Common parts of all actions: their names, and the event that requests one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from demand_pipeline.contracts.event import read_event
from demand_pipeline.contracts.fields import Fields
from demand_pipeline.errors import InvalidEventError

_MOST_SAMPLES = 100


class ActionName(StrEnum):
    """All actions; `operate/` contains one module per action."""

    CHECK = "check"
    STATUS = "status"
    REJECTS = "rejects"
    REJECTED_ITEMS = "rejected_items"
    COMPARE = "compare"
    DRIFT = "drift"
    RUNS = "runs"
    LOCKS = "locks"
    ROLLBACK = "rollback"
    DIFF = "diff"


@dataclass(frozen=True, slots=True)
class OperateRequest:
    """An action and its arguments, which the action's module reads."""

    action: ActionName
    arguments: Fields

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Parse the event of an operator's command; raises `ContractVersionError`, `InvalidEventError`."""
        fields = read_event(event)
        return cls(ActionName(fields.text("action", among=tuple(ActionName))), fields.object("arguments"))


def read_samples(arguments: Fields) -> int:
    """Read the number of samples of each kind, which must fit into an answer."""
    samples = arguments.integer("samples")
    if samples > _MOST_SAMPLES:
        raise InvalidEventError(arguments.path("samples"), samples, f"at most {_MOST_SAMPLES}")
    return samples
