"""Reads the events of a run in a bounded number of calls, and updates them with few."""

from typing import Any

_FIRST_PAGE, _NEXT_PAGE = 1000, 100


class History:
    """The history of one execution.

    It is read backwards: Step Functions numbers the events of an execution from 1 without gaps, and a page token is
    valid only within one listing. So an update reads from the newest event back to the last known one: one call if
    there are few new events, one per 1,000 events at first.
    """

    def __init__(self, states: Any, arn: str) -> None:
        self._states = states
        self._arn = arn
        self._known = 0
        self.calls = 0

    def update(self) -> list[Any]:
        """Return the events since the last update, in order."""
        found: dict[int, Any] = {}
        request = {
            "executionArn": self._arn,
            "reverseOrder": True,
            "maxResults": _NEXT_PAGE if self._known else _FIRST_PAGE,
        }
        while True:
            page = self._states.get_execution_history(**request)
            self.calls += 1
            found |= {event["id"]: event for event in page["events"] if event["id"] > self._known}
            # Pages are in order of time, and several events may share a time: so count them.
            complete = len(found) == max(found, default=self._known) - self._known
            if complete or "nextToken" not in page:
                break
            request["nextToken"] = page["nextToken"]
        events = [found[number] for number in sorted(found)]
        self._known = max(found, default=self._known)
        return events
