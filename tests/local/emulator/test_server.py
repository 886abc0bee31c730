"""The emulator as a process: its version, its start, its end, and the way its functions reach it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.emulator import emulator as emulator_module
from local.emulator import server
from local.emulator.emulator import Emulator, EmulatorError
from tests.local.emulator.conftest import Machines

pytestmark = pytest.mark.xdist_group("emulator")


def test_functions_reach_the_emulator_and_have_its_folder_for_a_home(machines: Machines, emulator: Emulator) -> None:
    wanted = ["AWS_ENDPOINT_URL", "AWS_REGION", "HOME"]
    found = machines.output({"Call": machines.task({"environment": wanted}, Output="{% $states.result.Payload %}")})
    assert list(found.values()) == [emulator.endpoint, "eu-west-1", str(emulator.folder)]


def test_another_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "version", lambda _: "1.6.0")
    with pytest.raises(SystemExit, match=r"found 1\.6\.0"):
        server.main()


def test_an_emulator_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    monkeypatch.setattr(emulator_module, "_COMMAND", command)
    with pytest.raises(EmulatorError, match="no such thing"):
        Emulator.create(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_nothing_is_left_of_an_emulator_that_was_removed(tmp_path: Path) -> None:
    emulator = Emulator.create(tmp_path / "state")
    assert emulator.is_running()
    Emulator.at(emulator.folder).remove()
    assert (emulator.is_running(), emulator.folder.exists()) == (False, False)


# Branches that add events at the same time, each in the middle of the others.
BRANCHES = """
import threading, time
import local.emulator.tasks
from ministack.services import stepfunctions as sf
now = sf.now_iso
sf.now_iso = lambda: (time.sleep(0.02), now())[1]
execution = {"events": []}
branches = [threading.Thread(target=sf._add_event, args=(execution, "PassStateEntered")) for _ in range(8)]
[branch.start() for branch in branches]
[branch.join() for branch in branches]
print([event["id"] for event in execution["events"]])
"""


def test_events_of_branches_have_different_numbers() -> None:
    command = [emulator_module._COMMAND[0], "-c", BRANCHES]
    assert json.loads(subprocess.check_output(command, text=True)) == [*range(1, 9)]
