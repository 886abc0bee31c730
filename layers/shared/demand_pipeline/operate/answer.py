"""Runs one action within one session: read-only unless declared otherwise, and within a time limit."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from demand_pipeline.contracts.fields import Fields
from demand_pipeline.contracts.operating.request import CHANGING, ActionName, OperateRequest
from demand_pipeline.load.warehouse.holders import holders_named
from demand_pipeline.load.warehouse.schema import pipeline_schema
from demand_pipeline.observability import logger
from demand_pipeline.operate import check, compare, drift, locks, previous, rejects, runs, status
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session, refuse_shared_sessions
from demand_pipeline.postgres.statements import Statements
from demand_pipeline.settings import PostgresSettings

statement = Statements(__package__)

# Time reserved for connecting and for the answer, besides the longest statement.
_RESERVE_SECONDS = 15.0
_LOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Action:
    """An action: `answer` gets the session, the schema and the arguments, and returns a dataclass.

    An action that `rehearses` may write, and is always rolled back. An action that `renews` reads the secrets again,
    since a diagnosis must not use a cache. `finish` gets the answer, after the commit of an action that writes.
    """

    answer: Callable[[Connection, str, Fields], Any]
    writes: bool = False
    rehearses: bool = False
    renews: bool = False
    finish: Callable[[Connection, str, Any], None] | None = None


ACTIONS = {
    ActionName.CHECK: Action(check.answer, rehearses=True, renews=True),
    ActionName.STATUS: Action(status.answer),
    ActionName.REJECTS: Action(rejects.answer),
    ActionName.REJECTED_ITEMS: Action(rejects.answer_items),
    ActionName.COMPARE: Action(compare.answer),
    ActionName.DRIFT: Action(drift.answer),
    ActionName.RUNS: Action(runs.answer),
    ActionName.LOCKS: Action(locks.answer),
    ActionName.ROLLBACK: Action(previous.answer_rollback, writes=True, finish=previous.finish_rollback),
    ActionName.DIFF: Action(previous.answer_diff),
}


def operate(request: OperateRequest, settings: PostgresSettings, seconds: float) -> dict[str, Any]:
    """Answer a request within `seconds`; raises the errors of the action's module and of `postgres`."""
    action = ACTIONS[request.action]
    started = time.monotonic()
    timeouts = Timeouts(lock=_LOCK_SECONDS, statement=max(1, seconds - _RESERVE_SECONDS))
    with (
        open_session(
            settings, f"operate {request.action}", timeouts, writes=action.writes, renew=action.renews
        ) as connection,
        holders_named(connection, settings.schema, pipeline_schema(settings.schema)),
    ):
        refuse_shared_sessions(connection, settings)
        if request.action not in CHANGING:
            connection.execute(statement("forbid_writing"))
        begin = "begin" if action.writes else "begin_rehearsal" if action.rehearses else "begin_reading"
        connection.execute(statement(begin))
        answer = action.answer(connection, settings.schema, request.arguments)
        connection.execute("ROLLBACK" if action.rehearses else "COMMIT")
        if action.finish:
            action.finish(connection, settings.schema, answer)
    logger.info("question answered", action=str(request.action), seconds=round(time.monotonic() - started, 3))
    return asdict(answer)
