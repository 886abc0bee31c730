"""The schedule of the template starts the state machine."""

import datetime as dt
from collections.abc import Mapping

import pytest

from demand_pipeline.builders import TABLES
from tests.e2e.conftest import Client, End
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.usefixtures("empty_tables")]


def test_the_schedule_fires_and_its_run_loads_empty_tables(
    client: Client, exported: Mapping[str, str], ended: End
) -> None:
    scheduler, states = client("scheduler"), client("stepfunctions")
    (name,) = [schedule["Name"] for schedule in scheduler.list_schedules()["Schedules"]]
    schedule = scheduler.get_schedule(Name=name)
    assert schedule["Target"]["Arn"] == exported["STATE_MACHINE_ARN"]
    known = {
        run["executionArn"] for run in states.list_executions(stateMachineArn=schedule["Target"]["Arn"])["executions"]
    }

    # Everything as deployed but the time, which a test cannot wait for.
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    scheduler.update_schedule(
        Name=name,
        ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        ScheduleExpressionTimezone="UTC",
        FlexibleTimeWindow=schedule["FlexibleTimeWindow"],
        Target=schedule["Target"],
        State="ENABLED",
    )

    def fired() -> set[str]:
        listed = states.list_executions(stateMachineArn=schedule["Target"]["Arn"])["executions"]
        return {run["executionArn"] for run in listed} - known

    wait_for(fired, pause=0.2)
    [arn] = fired()
    run = ended(arn)
    assert run["status"] == "SUCCEEDED"
    assert [table["loaded"] for table in run["output"]["tables"]] == [0 for _ in TABLES]
