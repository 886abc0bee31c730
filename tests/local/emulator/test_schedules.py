"""A schedule starts its run when its last update says, whatever it was before."""

import pytest

from tests.local.emulator.conftest import Machines, Schedules
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("emulator")


def test_a_schedule_that_waited_for_its_time_starts_at_the_time_of_its_update(
    machines: Machines, schedules: Schedules
) -> None:
    updated = schedules.create("updated", "cron(0 5 1 1 ? *)")
    looked = schedules.create("looked", schedules.now())
    wait_for(lambda: machines.runs(looked))  # the emulator has looked at both
    assert machines.runs(updated) == []

    schedules.update("updated", schedules.now())
    wait_for(lambda: machines.runs(updated))
