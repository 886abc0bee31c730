"""A variables file names what the template declares, or is refused in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import variables
from local.stack import PROJECT
from local.variables import VariablesError
from tests.template.loaded import FUNCTION_GLOBALS, resources

FUNCTIONS = resources("AWS::Serverless::Function")
SHARED = ", ".join(sorted(FUNCTION_GLOBALS["Environment"]["Variables"]))
NAMES = ", ".join(sorted([*FUNCTIONS, "Parameters"]))


def written(folder: Path, content: Any) -> Path:
    path = folder / "variables.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"ScanSegment": {"STAGING_BUKET": "x"}}, rf"ScanSegment: expected one of {SHARED}, got 'STAGING_BUKET'"),
        ({"ScanSegment": {"POSTGRES_HOST": "x"}}, rf"ScanSegment: expected one of {SHARED}, got 'POSTGRES_HOST'"),
        ({"Parameters": {"POSTGRES_HSOT": "x"}}, "Parameters: expected one of .*POSTGRES_HOST.*, got 'POSTGRES_HSOT'"),
        ({"ScanSegmnet": {}}, rf"expected one of {NAMES}, got 'ScanSegmnet'"),
        ({"ScanSegment": "x"}, "ScanSegment: expected an object, got 'x'"),
        ([], r"expected an object, got \[\]"),
        ("{", "not a JSON file: Expecting property name .*"),
    ],
)
def test_what_sam_would_ignore_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(VariablesError, match=f"^{path}: {message}$"):
        variables.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VariablesError, match=r"not a JSON file: .*No such file"):
        variables.read(tmp_path / "none.json")


def test_changes_take_the_place_of_what_is_deployed(tmp_path: Path) -> None:
    deployed = {"ScanSegment": {"STAGING_BUCKET": "b"}, "LoadWarehouse": {"STAGING_BUCKET": "b", "POSTGRES_PORT": "1"}}
    path = written(tmp_path, {"Parameters": {"POSTGRES_PORT": "2"}, "LoadWarehouse": {"STAGING_BUCKET": "c"}})
    assert variables.merged(deployed, variables.read(path)) == {
        "ScanSegment": {"STAGING_BUCKET": "b"},
        "LoadWarehouse": {"STAGING_BUCKET": "c", "POSTGRES_PORT": "2"},
    }


@pytest.mark.parametrize(("name", "status"), [("STAGING_BUCKET", 0), ("STAGING_BUKET", 1)])
def test_the_command_fails_with_the_message_alone(tmp_path: Path, name: str, status: int) -> None:
    path = written(tmp_path, {"Parameters": {name: "x"}})
    command = [sys.executable, "-m", "local.variables", str(path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines()), name in done.stderr) == (status, status, bool(status))
