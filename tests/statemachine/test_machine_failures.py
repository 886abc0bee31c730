"""A run after a failed state: which errors it waits for, which errors end it, and what a redrive does."""

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import TimeoutSeconds

from tests.statemachine.fakes import FIRST, FIRST_NAME, LAST, LAST_NAME, TABLES, failing, handlers, sized
from tests.statemachine.harness import Machine, Run, Task, TaskFailed
from tests.support.aws import REGION

GB = 2**30
PASSING = [
    "TransientError",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "TransientError",
]
LASTING = [
    "InvalidEventError",
    "ConfigurationError",
    "StagingError",
    "ReconciliationError",
    "RejectLimitError",
    "DatabaseError",
    "Lambda.Unknown",
    "States.Timeout",
]


def run_failing(state: str, index: int | None, errors: list[str]) -> tuple[Machine, Run]:
    with Machine(handlers(), around=sized(then=failing({(state, index): errors}))) as machine:
        run = machine.start({"tables": [FIRST]})
    return machine, run


@pytest.mark.parametrize(
    ("state", "index"), [(f"Scan{FIRST_NAME}", 0), (f"Transform{FIRST_NAME}", 0), ("LoadWarehouse", None)]
)
def test_what_passes_by_itself_is_waited_out(state: str, index: int | None) -> None:
    machine, run = run_failing(state, index, PASSING)
    assert run.status == "SUCCEEDED"
    assert Counter(task.state for task in machine.tasks)[state] == 7
    limits = [2, 4, 8, 16, 32, 60]
    assert all(0 <= pause <= limit for pause, limit in zip(machine.pauses, limits, strict=True))


def test_the_timeout_of_a_task_that_starts_when_a_sibling_has_failed_is_in_the_history_as_a_number() -> None:
    stopped: Any = SimpleNamespace(is_running=lambda: False, stack=[{"an": "input"}])
    with Machine(handlers()):
        TimeoutSeconds(960).eval(stopped)
    assert stopped.stack == [{"an": "input"}, 960]


def test_a_run_that_was_stopped_stays_aborted_when_its_task_fails() -> None:
    def stop_and_fail(task: Task, proceed: Callable[[], Any]) -> Any:
        if task.state != f"Scan{FIRST_NAME}":
            return proceed()
        states = boto3.client("stepfunctions", region_name=REGION)
        [run] = states.list_executions(stateMachineArn=machine.arn)["executions"]
        states.stop_execution(executionArn=run["executionArn"])
        raise TaskFailed("InvalidEventError")

    with Machine(handlers(), around=sized(then=stop_and_fail)) as machine:
        run = machine.start({"tables": [FIRST]})
    assert (run.status, run.error) == ("ABORTED", None)
    assert [task.state for task in machine.tasks][-1] == f"Scan{FIRST_NAME}"


@pytest.mark.parametrize(
    ("state", "index"), [(f"Scan{FIRST_NAME}", 0), (f"Transform{FIRST_NAME}", 0), ("LoadWarehouse", None)]
)
def test_what_does_not_pass_ends_the_run_under_its_own_name(state: str, index: int | None) -> None:
    machine, run = run_failing(state, index, ["TransientError"] * 7)
    assert (run.status, run.error) == ("FAILED", "TransientError")
    assert len(machine.pauses) == 6


@pytest.mark.parametrize(
    ("state", "index"), [(f"Scan{FIRST_NAME}", 0), (f"Transform{FIRST_NAME}", 0), ("LoadWarehouse", None)]
)
def test_an_account_without_room_for_another_function_is_waited_for_with_growing_pauses(
    state: str, index: int | None
) -> None:
    machine, run = run_failing(state, index, ["Lambda.TooManyRequestsException"] * 40)
    assert run.status == "SUCCEEDED"
    limits = [15, 30, 60, 120, 240, 480] + [600] * 34
    assert all(0 <= pause <= limit for pause, limit in zip(machine.pauses, limits, strict=True))


def test_a_load_whose_network_interfaces_are_made_again_is_waited_for() -> None:
    errors = ["Lambda.ResourceNotReadyException", "Lambda.ENINotReadyException", "Lambda.EC2ThrottledException"]
    machine, run = run_failing("LoadWarehouse", None, errors)
    assert (run.status, machine.pauses) == ("SUCCEEDED", [30, 30, 30])


@pytest.mark.parametrize("state", [f"Scan{FIRST_NAME}", f"Transform{FIRST_NAME}"])
def test_a_function_that_hung_is_tried_once_more(state: str) -> None:
    assert run_failing(state, 0, ["Sandbox.Timedout"])[1].status == "SUCCEEDED"
    assert run_failing(state, 0, ["Sandbox.Timedout"] * 2)[1].error == "Sandbox.Timedout"
    assert run_failing("LoadWarehouse", None, ["Sandbox.Timedout"])[1].error == "Sandbox.Timedout"


@pytest.mark.parametrize("function", [(f"Scan{FIRST_NAME}", 0), (f"Transform{FIRST_NAME}", 0), ("LoadWarehouse", None)])
def test_a_function_that_crashed_is_tried_once_more(function: tuple[str, int | None]) -> None:
    assert run_failing(*function, ["Runtime.ExitError"])[1].status == "SUCCEEDED"
    assert run_failing(*function, ["Runtime.ExitError"] * 2)[1].error == "Runtime.ExitError"
    assert run_failing(*function, ["Runtime.OutOfMemory"])[1].error == "Runtime.OutOfMemory"


@pytest.mark.parametrize("error", LASTING)
@pytest.mark.parametrize(("state", "index"), [(f"Scan{FIRST_NAME}", 0), ("LoadWarehouse", None)])
def test_bad_data_and_bad_configuration_end_the_run_at_once(state: str, index: int | None, error: str) -> None:
    machine, run = run_failing(state, index, [error])
    assert (run.status, run.error) == ("FAILED", error)
    assert machine.pauses == []


def test_a_locked_table_is_waited_for_longer_and_only_by_the_load() -> None:
    machine, run = run_failing("LoadWarehouse", None, ["LockTimeoutError"] * 6)
    assert run.status == "SUCCEEDED"
    limits = [60, 120, 240, 480, 600, 600]
    assert all(0 <= pause <= limit for pause, limit in zip(machine.pauses, limits, strict=True))
    machine, run = run_failing(f"Scan{FIRST_NAME}", 0, ["LockTimeoutError"])
    assert (run.error, machine.pauses) == ("LockTimeoutError", [])


def test_a_database_that_does_not_answer_is_waited_for_a_minute_at_most() -> None:
    machine, run = run_failing("LoadWarehouse", None, ["DatabaseConnectionError"] * 3)
    assert run.status == "SUCCEEDED"
    assert all(0 <= pause <= limit for pause, limit in zip(machine.pauses, [10, 20, 40], strict=True))
    _, run = run_failing("LoadWarehouse", None, ["DatabaseConnectionError"] * 4)
    assert (run.status, run.error) == ("FAILED", "DatabaseConnectionError")


@pytest.mark.parametrize("error", ["DynamoDb.DynamoDbException", "DynamoDb.InternalServerErrorException"])
def test_a_busy_dynamodb_is_waited_for_before_the_scan_is_planned(error: str) -> None:
    machine, run = run_failing(f"Describe{FIRST_NAME}", None, [error] * 2)
    assert (run.status, len(machine.pauses)) == ("SUCCEEDED", 2)


def test_a_table_that_does_not_exist_is_named_by_awss_own_error() -> None:
    with Machine(handlers()) as machine:
        run = machine.start({"tables": [LAST]})
    assert (run.status, run.error) == ("FAILED", "DynamoDb.ResourceNotFoundException")
    assert machine.pauses == []
    assert machine.events("ScanSegment") == []


def test_an_exception_of_a_handler_is_the_error_and_its_message_the_cause() -> None:
    class RejectLimitError(Exception):
        pass

    def load(_event: object, _context: object) -> None:
        raise RejectLimitError("a: 12 of 100 items were rejected")

    with Machine(handlers() | {"LoadWarehouse": load}, around=sized()) as machine:
        run = machine.start({})
    assert run.error == "RejectLimitError"
    assert "a: 12 of 100 items were rejected" in str(run.cause)


def test_redrive_runs_only_what_failed_or_was_aborted() -> None:
    fault = failing({(f"Transform{LAST_NAME}", 1): ["StagingError"]})
    with Machine(handlers(chunks=2), around=sized(7 * GB, fault)) as machine:
        failed = machine.start({"tables": [LAST]})
        assert (failed.status, failed.error) == ("FAILED", "StagingError")
        before = [(task.state, task.index, task.event.get("chunk")) for task in machine.tasks if task.function]
        machine.tasks.clear()
        done = machine.redrive(failed)
        after = [(task.state, task.index, task.event.get("chunk")) for task in machine.tasks if task.function]
    assert (done.status, done.arn) == ("SUCCEEDED", failed.arn)
    assert f"Describe{LAST_NAME}" not in [task.state for task in machine.tasks]
    assert (f"Scan{LAST_NAME}", 1, 0) not in after  # it had succeeded: its chunk is transformed, not read again
    assert after.count((f"Transform{LAST_NAME}", 1, 0)) == 1
    assert after[-1] == ("LoadWarehouse", None, None)
    wanted = {
        (f"{verb}{LAST_NAME}", index, chunk) for verb in ("Scan", "Transform") for index in range(4) for chunk in (0, 1)
    }
    assert wanted <= {*before, *after}


def test_redrive_after_a_failed_load_only_loads() -> None:
    fault = failing({("LoadWarehouse", None): ["DatabaseError", "DatabaseError"]})
    with Machine(handlers(chunks=2), around=sized(3 * GB, fault)) as machine:
        run = machine.start({})
        first = machine.events("LoadWarehouse")[0]
        machine.tasks.clear()
        run = machine.redrive(run)
        assert (run.status, run.error) == ("FAILED", "DatabaseError")
        run = machine.redrive(run)
        assert run.status == "SUCCEEDED"
    assert [task.state for task in machine.tasks] == ["LoadWarehouse", "LoadWarehouse"]
    assert machine.events("LoadWarehouse") == [first, first]


def test_a_redrive_runs_the_definition_that_the_run_started_with() -> None:
    fault = failing({("LoadWarehouse", None): ["DatabaseError"]})
    with Machine(handlers(), around=sized(then=fault)) as machine:
        failed = machine.start({"tables": [FIRST]})
        machine.update(LoadStrategy="merge")
        machine.redrive(failed)
        machine.start({"tables": [FIRST]})
    assert [event["strategy"] for event in machine.events("LoadWarehouse")] == ["truncate", "truncate", "merge"]


def test_a_redriven_run_is_the_same_run() -> None:
    with Machine(handlers(), around=sized(then=failing({(f"Scan{FIRST_NAME}", 0): ["StagingError"]}))) as machine:
        run = machine.redrive(machine.start({}, name="nightly"))
    assert run.status == "SUCCEEDED"
    told = [task.event["run"] for task in machine.tasks if task.function]
    assert len(told) > 8
    assert all(run == told[0] for run in told)
    assert told[0]["id"] == "nightly"


def test_other_tables_keep_what_they_have_done_when_one_fails() -> None:
    with Machine(handlers(), around=sized(then=failing({(f"Scan{LAST_NAME}", 0): ["StagingError"]}))) as machine:
        failed = machine.start({})
        done = {(task.state, task.index) for task in machine.tasks}
        machine.tasks.clear()
        assert machine.redrive(failed).status == "SUCCEEDED"
        again = Counter((task.state, task.index) for task in machine.tasks)
    assert (f"Scan{LAST_NAME}", 0) in again
    assert max(again.values()) == 1
    assert len(done | set(again)) == len(TABLES) * 3 + 1
