"""How an error is explained: its meaning, and one or several ways to continue.

All texts are Markdown in one line. `docs/…` is a page to read.
"""

from dataclasses import dataclass
from enum import StrEnum


class Then(StrEnum):
    """The step after a fix. The first two only read, and come before the fix."""

    REJECTS = "rejects"  # read the reasons for the run's rejects
    LOGS = "logs"  # read the logs of the functions
    REDRIVE = "redrive"
    NEW_RUN = "new run"
    NEW_INPUT = "new input"  # a new run; the input of this one was refused
    REPEAT = "repeat"  # the operator's command
    NOTHING = "nothing"


READING = (Then.REJECTS, Then.LOGS)
_WORDS = {
    Then.REJECTS: "read the reasons for the rejects",
    Then.LOGS: "read the cause in the execution's last event, and the function's log",
    Then.REDRIVE: "redrive the run",
    Then.NEW_RUN: "start a new run",
    Then.NEW_INPUT: "start a new run",
    Then.REPEAT: "repeat the command",
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to continue: `fix` something, and `then` act, with `fields` of the run's input for a person to set.

    If `then` is nothing, `fix` is the reason, or another remedy.
    """

    then: Then
    fix: str = ""
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the way as an instruction."""
        if self.then is Then.NOTHING:
            return self.fix
        words = _WORDS[self.then]
        if self.fields:
            words += f" with {' and '.join([f'`{field}`' for field in self.fields])}"
        return f"{self.fix}, then {words}" if self.fix else words


@dataclass(frozen=True, slots=True)
class Cure:
    """`names` of errors with one `meaning`, and the ways to continue, of which one is enough."""

    names: tuple[str, ...]
    meaning: str
    ways: tuple[Way, ...]

    @property
    def then(self) -> tuple[Then, ...]:
        """The possible next steps, in the order of the ways."""
        return tuple(dict.fromkeys(way.then for way in self.ways))

    @property
    def action(self) -> str:
        """All ways in one sentence."""
        first = [str(way) for way in self.ways if way.then in READING]
        choices = [str(way) for way in self.ways if way.then not in READING]
        return "; ".join([*first, "; or ".join(choices)])
