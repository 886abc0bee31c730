"""Reads the log records of all functions in a run, in order, from CloudWatch."""

import heapq
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demand.runs.execution import Run
from demand.runs.tasks import Attempt
from demand.stack import Stack

_LOG_GROUP = "AWS::Logs::LogGroup"
_FUNCTIONS = "/aws/lambda/"  # the state machine's own log does not contain run names
_LATE = timedelta(minutes=1)  # a killed function's last lines arrive after the run's end
_ERRORS = ("ERROR", "CRITICAL")
_REQUEST = re.compile(r"RequestId: ([0-9a-f-]{36})")
# Fields of every record, which describe the function, not its work.
_KNOWN = frozenset({
    *("level", "message", "timestamp", "run", "stack", "table", "segment", "service", "location", "cold_start"),
    *("function_name", "function_memory_size", "function_arn", "function_request_id", "xray_trace_id"),
})  # fmt: skip


@dataclass(frozen=True)
class LogLine:
    """One record of a function. `fields` are fields that only some records contain."""

    at: datetime
    function: str
    level: str
    message: str
    table: str | None
    segment: int | None
    fields: Mapping[str, Any]


def read_logs(stack: Stack, run: Run, attempts: Sequence[Attempt], *, errors: bool) -> Iterator[LogLine]:
    """Yield the run's records of all functions in the order of time, page by page; `errors` yields only those."""
    groups = [found.physical_id for found in stack.resources(_LOG_GROUP) if _FUNCTIONS in found.physical_id]
    until = run.stopped + _LATE if run.stopped else datetime.now(UTC)
    query = {
        "startTime": _milliseconds(run.started),
        "endTime": _milliseconds(until),
        "filterPattern": _pattern(run.name),
    }
    requests = {match[1] for attempt in attempts if (match := _REQUEST.search(attempt.cause or ""))}
    streams = [_events(stack.client("logs"), group, query) for group in groups]
    for event, group in heapq.merge(*streams, key=lambda found: found[0]["timestamp"]):
        line = _line(event, group.rpartition("/")[2], run.name, requests)
        if line and (not errors or line.level in _ERRORS):
            yield line


def _pattern(run: str) -> str:
    """Match the run's records, and Lambda's own records of failures, which contain a request but no run."""
    lambdas = '($.type = "platform.report") && ($.record.status != "success")'
    return f'{{ ($.run = "{run}") || ({lambdas}) || ($.errorType = "*") }}'


def _events(logs: Any, group: str, query: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, **query):
        for event in page["events"]:
            yield event, group


def _line(event: Any, function: str, run: str, requests: set[str]) -> LogLine | None:
    """Convert a record of the run to a line; `requests` collects the run's requests."""
    try:
        record = json.loads(event["message"])
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    if record.get("run") == run:
        requests.add(record.get("function_request_id", ""))
        more = {name: value for name, value in record.items() if name not in _KNOWN}
        segment, table = record.get("segment"), record.get("table")
        return LogLine(at, function, record.get("level", "INFO"), str(record.get("message", "")), table, segment, more)
    own = record.get("record", {}) if record.get("type") == "platform.report" else record
    if not isinstance(own, dict) or own.get("requestId") not in requests:
        return None
    message = own.get("errorMessage") or f"Lambda reports {own.get('status') or own.get('errorType')}"
    kept = {name: own[name] for name in ("errorType", "status", "metrics") if name in own}
    return LogLine(at, function, "ERROR", message, None, None, kept)


def _milliseconds(when: datetime) -> int:
    return int(when.timestamp() * 1000)
