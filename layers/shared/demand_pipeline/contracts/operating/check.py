"""The action `check`: whether a load would succeed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.loading import Strategy


class State(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"  # runs succeed, but not as they should, or not for much longer
    FAILURE = "failure"  # a run would fail
    SKIPPED = "skipped"  # could not be checked


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `action` is the instruction that fixes it, an SQL statement where possible."""

    subject: str
    state: State
    message: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """The load strategy to check for."""

    strategy: Strategy

    @classmethod
    def read(cls, arguments: Fields) -> Self:
        """Read the action's arguments; raises `InvalidEventError`."""
        return cls(Strategy(arguments.text("strategy", among=tuple(Strategy))))


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The findings, in the order in which a load would encounter them."""

    findings: tuple[Finding, ...]
