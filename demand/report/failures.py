"""The failures of a run, grouped by error."""

from dataclasses import dataclass

from demand.report.facts import Facts
from demand.runs.failure import Failure
from demand_pipeline.cure import Then

_PLACES = 5  # shown of tasks that failed in the same way


@dataclass(frozen=True)
class Alike:
    """Tasks that failed with the same error: the first in full, only the place of the others.

    `by_rejects` is whether the reasons of the rejects explain it.
    """

    error: str
    place: str
    message: str
    others: str
    meaning: str
    action: str
    first: tuple[str, ...]
    next: tuple[str, ...]
    by_rejects: bool


def alike(facts: Facts) -> list[Alike]:
    """Return the failures by error, the run's own error first."""
    by_error: dict[str, list[Failure]] = {}
    for failure in facts.report.failures if facts.report else ():
        by_error.setdefault(failure.error, []).append(failure)
    return [_alike(*failures) for failures in by_error.values()]


def _alike(first: Failure, *others: Failure) -> Alike:
    places = "; ".join(other.place for other in others[:_PLACES])
    more = f", and {len(others) - _PLACES} more" if len(others) > _PLACES else ""
    return Alike(
        error=first.error,
        place=first.place,
        message=first.message,
        others=places + more,
        meaning=first.meaning.replace("`", ""),
        action=first.action.replace("`", ""),
        first=first.first,
        next=first.next,
        by_rejects=Then.REJECTS in first.then,
    )
