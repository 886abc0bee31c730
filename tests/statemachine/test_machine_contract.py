"""The state machine and the functions speak of the same version of events."""

from demand_pipeline.contracts.event import CONTRACT
from tests.statemachine.harness import definition
from tests.statemachine.lint import states
from tests.support.functions import MODULES


def test_every_function_is_told_the_version_of_its_event() -> None:
    calls = {
        name: state["Arguments"]["Payload"].get("contract")
        for name, state in states(definition()).items()
        if state["Type"] == "Task" and state["Resource"].endswith(":lambda:invoke")
    }
    assert len(calls) >= len(MODULES)
    assert calls == dict.fromkeys(calls, CONTRACT)
