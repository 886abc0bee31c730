"""The state of a stack on one screen: tables, runs, schedule, alarms, locks, and their problems."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from demand.cron import next_start
from demand.errors import DemandError, from_aws
from demand.runs import execution
from demand.runs.execution import SUCCEEDED, Run
from demand.runs.options import pasted
from demand.runs.repair import Redrives, find_redrives
from demand.runs.state import InWarehouse, State, find_state
from demand.schedule import DISABLED, ENABLED
from demand.stack import Stack
from demand.warehouse import Warehouse
from demand_pipeline.contracts.operating.locks import LocksAnswer, TableLock
from demand_pipeline.contracts.operating.request import ActionName
from demand_pipeline.contracts.operating.status import StatusAnswer, TableStatus
from demand_pipeline.errors import PipelineError

_LOOKED_AT = 10  # latest runs, searched for the last one that was not a dry run
_ALARMS_AT_ONCE = 100  # limit of DescribeAlarms
_ALARM = "AWS::CloudWatch::Alarm"
_HOUR = 3600


@dataclass(frozen=True)
class RunState:
    """A run and its state in the warehouse: None while it runs. `next_redrive` is the time of an automatic redrive."""

    name: str
    status: str
    started: datetime
    seconds: float
    error: str | None
    warehouse: InWarehouse | None
    next_redrive: datetime | None

    @property
    def sentence(self) -> str:
        """How the run ended, for people."""
        return f"the last run, {self.name}, ended as {self.status}" + (f" with {self.error}" if self.error else "")


@dataclass(frozen=True)
class Timetable:
    """The schedule. `next_start` is None if no start is planned, or if it cannot be computed, as for a rate."""

    state: str
    expression: str
    timezone: str
    next_start: datetime | None


@dataclass(frozen=True)
class Alarm:
    """An alarm in the state ALARM whose actions are enabled; its name is the one in the template and the runbook."""

    name: str
    since: datetime


@dataclass(frozen=True)
class Alarms:
    """The number of the stack's alarms, and the alarms that have fired."""

    total: int
    fired: tuple[Alarm, ...]


@dataclass(frozen=True)
class Problem:
    """A problem, and the command to continue with."""

    message: str
    do: str


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read, and the reason."""

    part: str
    reason: str


@dataclass(frozen=True)
class Status:
    """The state of a stack. A part is None if it is unknown; `last_run` also if no run has ended.

    `oldest_lock` is the oldest lock that others hold on the warehouse's tables.
    """

    place: str
    looked_at: datetime
    tables: tuple[TableStatus, ...] | None
    last_run: RunState | None
    running: tuple[RunState, ...] | None
    schedule: Timetable | None
    alarms: Alarms | None
    oldest_lock: TableLock | None
    problems: tuple[Problem, ...]
    unknown: tuple[Unknown, ...]


class _Parts:
    """Reads one part after the other. A part that cannot be read is unknown; the others are shown."""

    def __init__(self) -> None:
        self.unknown: list[Unknown] = []

    def read[Value](self, name: str, look: Callable[[], Value]) -> Value | None:
        try:
            return look()
        except (DemandError, PipelineError, ClientError, BotoCoreError) as error:
            self.unknown.append(Unknown(name, str(from_aws(error) or error)))
            return None


def look(stack: Stack, warehouse: Callable[[], Warehouse]) -> Status:
    """Read the state of the stack; raises nothing for a part that cannot be read."""
    now = datetime.now(UTC)
    parts = _Parts()
    answer = parts.read("tables", lambda: warehouse().ask(StatusAnswer, ActionName.STATUS, countRows=False))
    runs = parts.read("runs", lambda: execution.list_runs(stack, _LOOKED_AT))
    schedule = parts.read("schedule", lambda: _timetable(stack, now))
    alarms = parts.read("alarms", lambda: _alarms(stack))
    locks = parts.read("locks", lambda: warehouse().ask(LocksAnswer, ActionName.LOCKS).locks)
    ended = next((run for run in runs or () if not run.is_running and not run.input.get("dryRun")), None)
    redrives = parts.read("automatic redrive", lambda: find_redrives(stack, ended)) if ended else None
    last = _state(ended, now, find_state(warehouse, ended), redrives) if ended else None
    if last and last.warehouse and last.warehouse.state is State.UNKNOWN and answer:
        parts.unknown.append(Unknown("last run", last.warehouse.reason or ""))
    problems = [
        *_stale(answer.tables if answer else (), stack),
        *_failed(last),
        *_paused(schedule, stack),
        *_fired(alarms),
        *_blocked(locks or ()),
    ]
    return Status(
        place=stack.place,
        looked_at=now,
        tables=answer.tables if answer else None,
        last_run=last,
        running=None if runs is None else tuple(_state(run, now) for run in runs if run.is_running),
        schedule=schedule,
        alarms=alarms,
        oldest_lock=next((lock for lock in locks or () if lock.is_granted and not lock.is_own), None),
        problems=tuple(problems),
        unknown=tuple(parts.unknown),
    )


def hours_allowed(stack: Stack) -> int | None:
    """Return the age at which a table is too old; None if runs are started by hand, as for the stack's alarms."""
    if stack.parameters.get("ScheduleState") == DISABLED:
        return None
    hours = stack.parameters.get("MaxHoursWithoutSuccess")
    return int(hours) if hours else None


def _state(run: Run, now: datetime, warehouse: InWarehouse | None = None, redrives: Redrives | None = None) -> RunState:
    following = redrives.next if redrives else None
    return RunState(run.name, run.status, run.started, run.seconds(now), run.error, warehouse, following)


def _timetable(stack: Stack, now: datetime) -> Timetable:
    name = stack.resource("Schedule", "AWS::Scheduler::Schedule").physical_id
    found = stack.client("scheduler").get_schedule(Name=name)
    expression, timezone = found["ScheduleExpression"], found.get("ScheduleExpressionTimezone", "UTC")
    following = next_start(expression, timezone, now) if found["State"] == ENABLED else None
    return Timetable(found["State"], expression, timezone, following)


def _alarms(stack: Stack) -> Alarms:
    logical = {resource.physical_id: resource.logical_id for resource in stack.resources(_ALARM)}
    names = list(logical)
    pages = [
        stack.client("cloudwatch").describe_alarms(AlarmNames=names[start : start + _ALARMS_AT_ONCE])
        for start in range(0, len(names), _ALARMS_AT_ONCE)
    ]
    fired = [
        Alarm(logical[alarm["AlarmName"]], alarm["StateUpdatedTimestamp"])
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["StateValue"] == "ALARM" and alarm["ActionsEnabled"]
    ]
    return Alarms(len(names), tuple(fired))


def _stale(tables: Sequence[TableStatus], stack: Stack) -> Iterator[Problem]:
    hours = hours_allowed(stack)
    if hours is None:
        return
    never = [table.table for table in tables if table.age_seconds is None]
    old = [table.table for table in tables if table.age_seconds is not None and table.age_seconds > hours * _HOUR]
    if never:
        yield Problem(f"no run has loaded {', '.join(never)}", "demand run")
    if old:
        yield Problem(f"the rows of {', '.join(old)} are older than {hours} hours", "demand runs")


def _failed(last: RunState | None) -> Iterator[Problem]:
    if last and last.status != SUCCEEDED and not last.next_redrive:
        yield Problem(last.sentence, pasted("show", last.name))


def _paused(schedule: Timetable | None, stack: Stack) -> Iterator[Problem]:
    if schedule and schedule.state == DISABLED and stack.parameters.get("ScheduleState") == ENABLED:
        yield Problem("the schedule is paused: no run starts automatically", "demand resume")


def _fired(alarms: Alarms | None) -> Iterator[Problem]:
    for alarm in alarms.fired if alarms else ():
        yield Problem(f"{alarm.name} has fired", pasted("explain", alarm.name))


def _blocked(locks: Sequence[TableLock]) -> Iterator[Problem]:
    if tables := dict.fromkeys(lock.table for lock in locks if lock.is_own and not lock.is_granted):
        yield Problem(f"a run waits for a lock on {', '.join(tables)}", "demand locks")
