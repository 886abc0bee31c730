"""Common parts of all actions: their names, and the event that requests one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from demand_pipeline.contracts.event import read_event
from demand_pipeline.contracts.fields import Fields

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


# `ChangeWarehouse` carries out these actions: they write, even if only to roll it back. `ReadWarehouse` carries out all
# others, in a session that cannot write.
CHANGING = frozenset({ActionName.CHECK, ActionName.ROLLBACK})


@dataclass(frozen=True, slots=True)
class OperateRequest:
    """An action and its arguments, which the action's module reads."""

    action: ActionName
    arguments: Fields

    @classmethod
    def from_event(cls, event: Any, *, changing: bool) -> Self:
        """Parse the event of an operator's command for one of the two functions.

        Raises `ContractVersionError`, and `InvalidEventError` also for an action of the other function.
        """
        fields = read_event(event)
        own = tuple(action for action in ActionName if (action in CHANGING) is changing)
        return cls(ActionName(fields.text("action", among=own)), fields.object("arguments"))


def read_samples(arguments: Fields) -> int:
    """Read the number of samples of each kind, which must fit into an answer."""
    return arguments.integer("samples", maximum=_MOST_SAMPLES)
