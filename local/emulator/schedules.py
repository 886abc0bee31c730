"""Schedules start at the time of their last update, within a second; ministack checks every 10."""

from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import scheduler

from local.emulator.patching import Function, replaces

scheduler._SCHEDULE_TICK_INTERVAL = 1


@replaces(scheduler, "_update_schedule")
def _update_schedule(original: Function, name: str, body: dict[str, Any]) -> Any:
    """AWS: a one-time schedule starts once, whatever the schedule was before its update."""
    key = f"{body.get('GroupName', 'default')}/{name}"
    answer = original(name, body)
    scheduler._schedule_last_fired.pop((get_account_id(), get_region(), key), None)
    return answer
