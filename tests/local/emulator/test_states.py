"""States, variables and errors of the emulator's state machines as AWS has them (local/emulator)."""

import json
import time
from pathlib import Path

import pytest

from tests.local.emulator.conftest import Machines, sequence

pytestmark = pytest.mark.xdist_group("emulator")


def test_parallel_takes_arguments_output_and_assign_and_keeps_variables_of_branches_to_them(machines: Machines) -> None:
    changes = {"Type": "Pass", "Assign": {"v": "inner"}, "Output": "{% $states.input.a & $v %}", "End": True}
    machine = {
        "Before": {"Type": "Pass", "Assign": {"v": "outer"}, "Next": "Fan"},
        "Fan": {
            "Type": "Parallel",
            "Arguments": {"a": "{% $states.input & '!' %}"},
            "Branches": [sequence(Change=changes), sequence(Change=changes)],
            "Assign": {"count": "{% $count($states.result) %}"},
            "Output": "{% $states.result[0] %}",
            "Next": "After",
        },
        "After": {"Type": "Pass", "Output": "{% [$states.input, $count, $v] %}", "End": True},
    }
    assert machines.output(machine, "given") == ["given!outer", 2, "outer"]


def test_map_gives_each_iteration_its_item_and_own_variables(machines: Machines) -> None:
    machine = {
        "Before": {"Type": "Pass", "Assign": {"v": 10}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": "{% [1, 2, 3] %}",
            "MaxConcurrency": 2,
            "ItemSelector": {"n": "{% $states.context.Map.Item.Value %}", "i": "{% $states.context.Map.Item.Index %}"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                **sequence(
                    Add={"Type": "Pass", "Assign": {"v": "{% $v + $states.input.n %}"}, "Next": "Tell"},
                    Tell={"Type": "Pass", "Output": "{% $v * 10 + $states.input.i %}", "End": True},
                ),
            },
            "Output": {"all": "{% $states.result %}", "v": "{% $v %}"},
            "End": True,
        },
    }
    assert machines.output(machine) == {"all": [110, 121, 132], "v": 10}


def test_a_map_over_nothing_gives_an_empty_list(machines: Machines) -> None:
    processor = sequence(One={"Type": "Pass", "End": True})
    assert (
        machines.output({"Each": {"Type": "Map", "Items": "{% [] %}", "ItemProcessor": processor, "End": True}}) == []
    )


def test_choice_default_and_succeed_take_output_and_assign_sees_the_values_before(machines: Machines) -> None:
    machine = {
        "Set": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
        "Swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Choose"},
        "Choose": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% false %}", "Next": "Choose"}],
            "Output": "by default",
            "Default": "Done",
        },
        "Done": {"Type": "Succeed", "Output": "{% [$states.input, $a, $b] %}"},
    }
    assert machines.output(machine) == ["by default", 2, 1]


def test_an_exception_fails_the_run_under_its_class_with_message_and_trace(machines: Machines) -> None:
    run = machines.run({"Call": machines.task({"needs": "/nowhere"})})
    cause = json.loads(run["cause"])
    assert (run["status"], run["error"]) == ("FAILED", "TransientError")
    assert (cause["errorType"], cause["errorMessage"]) == ("TransientError", "not yet")
    assert "in handler" in "".join(cause["stackTrace"])


def test_a_runtime_that_died_is_an_unknown_error(machines: Machines) -> None:
    assert machines.run({"Call": machines.task({"kill": True})})["error"] == "Lambda.Unknown"


def test_a_retry_waits_no_longer_than_its_longest_delay(machines: Machines, tmp_path: Path) -> None:
    retry = {"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "BackoffRate": 50, "MaxDelaySeconds": 2}
    calls = tmp_path / "calls"
    machine = {
        "Call": machines.task(
            {"calls": str(calls), "name": "x", "needs": "/nowhere"}, Retry=[{**retry, "MaxAttempts": 2}]
        )
    }
    machine["Call"]["Catch"] = [{"ErrorEquals": ["TransientError"], "Next": "Done"}]
    machine["Done"] = {"Type": "Succeed"}
    started = time.monotonic()
    machines.output(machine)
    assert time.monotonic() - started < 30
    assert calls.read_text() == "x\n" * 3


def test_a_task_ends_when_its_time_is_over(machines: Machines) -> None:
    started = time.monotonic()
    run = machines.run({"Call": machines.task({"sleep": 20}, TimeoutSeconds=1)})
    assert run["error"] == "States.Timeout"
    assert time.monotonic() - started < 10


def test_a_result_over_256_kib_fails_the_run(machines: Machines) -> None:
    assert machines.run({"Call": machines.task({"bytes": 250 * 1024})})["status"] == "SUCCEEDED"
    assert machines.run({"Call": machines.task({"bytes": 256 * 1024})})["error"] == "States.DataLimitExceeded"
