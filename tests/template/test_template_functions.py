"""Functions of one kind, each with its log group, its environment and a folder that exists."""

import re

import pytest

from demand.aws import Clients
from demand.config import Flags, find_config
from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from tests.statemachine.harness import definition
from tests.statemachine.lint import states
from tests.template.loaded import CONNECTED, FUNCTION_GLOBALS, FUNCTIONS, OPERATING, ROOT, resources

TRANSFORMS = [f"Transform{camel_case(name)}" for name in TABLES]
FOLDERS = {"ScanSegment": "scan_segment", **dict.fromkeys(TRANSFORMS, "transform")}
FOLDERS |= {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in CONNECTED}
EVERYWHERE = {
    "POWERTOOLS_LOG_LEVEL",
    "STAGING_BUCKET",
    "STACK_NAME",
    "AWS_ENDPOINT_URL",
}
CONNECTING = {
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DATABASE",
    "POSTGRES_SCHEMA",
    "POSTGRES_SECRET_ARN",
    "POSTGRES_TLS_ROOT_SECRET_ARN",
}


def test_each_function_has_its_folder_with_a_handler() -> None:
    assert {name: function["CodeUri"] for name, function in FUNCTIONS.items()} == {
        name: f"functions/{folder}" for name, folder in FOLDERS.items()
    }
    assert FUNCTION_GLOBALS["Handler"] == "app.lambda_handler"
    for folder in FOLDERS.values():
        assert "def lambda_handler(" in (ROOT / "functions" / folder / "app.py").read_text()


@pytest.mark.parametrize("name", FOLDERS)
def test_each_function_writes_to_a_log_group_that_is_kept_as_long_as_asked(name: str) -> None:
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]
    assert group == f"{name}Logs"
    assert resources("AWS::Logs::LogGroup")[group]["RetentionInDays"] == {"Ref": "LogRetentionInDays"}


@pytest.mark.parametrize("name", FOLDERS)
def test_each_function_is_told_what_it_needs_and_no_more(name: str) -> None:
    own = set(FUNCTIONS[name].get("Environment", {}).get("Variables", {}))
    assert set(FUNCTION_GLOBALS["Environment"]["Variables"]) == EVERYWHERE
    assert own == (CONNECTING if name in CONNECTED else set())


def test_only_what_connects_to_postgresql_enters_the_vpc() -> None:
    assert [name for name, function in FUNCTIONS.items() if "VpcConfig" in function] == CONNECTED


def test_all_functions_are_traced_log_json_and_share_the_layer() -> None:
    assert FUNCTION_GLOBALS["Tracing"] == "Active"
    assert FUNCTION_GLOBALS["LoggingConfig"] == {"LogFormat": "JSON"}
    assert FUNCTION_GLOBALS["Layers"] == [{"Ref": "SharedLayer"}]
    assert FUNCTION_GLOBALS["Runtime"] == "python3.13" == "python" + (ROOT / ".python-version").read_text().strip()


def test_the_command_line_waits_for_the_answer_of_its_function() -> None:
    client = Clients(find_config(Flags(region="eu-west-1")))("lambda")
    assert client.meta.config.read_timeout > max(FUNCTIONS[name]["Timeout"] for name in OPERATING)
    # What may have been carried out is not asked for again.
    assert client.meta.config.retries["total_max_attempts"] == 1


def test_a_function_ends_before_its_state_stops_waiting() -> None:
    waits = [
        state["TimeoutSeconds"]
        for state in states(definition()).values()
        if "lambda:invoke" in str(state.get("Resource"))
    ]
    assert min(waits) > FUNCTION_GLOBALS["Timeout"]
