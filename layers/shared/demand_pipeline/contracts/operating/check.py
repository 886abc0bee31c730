"""The action `check`: whether a load could do its work."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import Strategy


class State(StrEnum):
    """How a finding of a check is to be taken."""

    OK = "ok"
    WARNING = "warning"  # runs work, but not as they should, or not for ever
    FAILURE = "failure"  # a run would fail
    SKIPPED = "skipped"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `action` is what to do about it, a statement of SQL where one does it."""

    subject: str
    state: State
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """Under which strategy the warehouse must be loadable."""

    strategy: Strategy

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(Strategy(arguments.text("strategy", among=tuple(Strategy))))


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What was found, in the order in which a load would meet it."""

    findings: tuple[Finding, ...]
