"""`demand pause` and `demand resume`: the schedule."""

from rich.text import Text

from demand.cli.app import Shell, command
from demand.cli.options import Yes
from demand.cli.output import FAILED, SUCCESS
from demand.schedule import DISABLED, ENABLED, Schedule, set_state
from demand.status import hours_allowed


@command("pause", examples=["demand pause", "demand pause --config-env prod"])
def pause(shell: Shell, yes: Yes = False) -> int:
    """Pause the schedule until demand resume. An active run is not stopped."""
    if not shell.may_change("Pause the schedule?", yes=yes, always=False):
        return FAILED
    found = set_state(shell.stack, DISABLED)
    hours = hours_allowed(shell.stack)
    alarms = f"; alarms fire after {hours} hours without a run" if hours else ""
    return _say(shell, found, f"no runs start automatically{alarms}", "demand resume")


@command("resume", examples=["demand resume", "demand resume --config-env prod"])
def resume(shell: Shell, yes: Yes = False) -> int:
    """Resume the schedule after a pause."""
    if not shell.may_change("Resume the schedule?", yes=yes, always=False):
        return FAILED
    found = set_state(shell.stack, ENABLED)
    return _say(shell, found, f"runs start at {found.expression}, {found.timezone}", "demand pause")


def _say(shell: Shell, found: Schedule, effect: str, back: str) -> int:
    changed = "is" if found.was != found.state else "was already"
    shell.output.show(found, Text(f"the schedule {changed} {found.state}: {effect}"))
    if found.deployed and found.deployed != found.state:
        shell.output.note(
            f"the stack's ScheduleState is {found.deployed}: a deployment that changes the schedule restores that state"
        )
    if found.was != found.state:
        shell.output.note(f"to undo: {back}")
    return SUCCESS
