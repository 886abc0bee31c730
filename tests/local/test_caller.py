"""The local stack and the tests get only named variables of the caller's environment."""

import os
import subprocess
import sys

import pytest

from local import caller
from tests.support.nonsense import DEAD_PROXIES, NONSENSE

DOWNLOADS = {
    "HTTPS_PROXY": "http://proxy:3128",
    "PIP_INDEX_URL": "https://mirror",
    "UV_DEFAULT_INDEX": "https://mirror",
}
OURS = {"LANG", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "NO_PROXY", "no_proxy"}


def test_settings_of_downloads_and_of_the_terminal_are_kept_and_nothing_else() -> None:
    machine = {"PATH": "/bin", "HOME": "/home/me"}
    found = caller.kept({**NONSENSE, **machine, **DOWNLOADS})
    assert found.items() >= {**machine, **DOWNLOADS, "COLUMNS": "30", "TZ": "nonsense"}.items()
    assert found.keys() - OURS == {*machine, *DOWNLOADS, "COLUMNS", "NO_COLOR", "TZ"}
    found = caller.kept({**NONSENSE, **machine, **DOWNLOADS}, terminal=False)
    assert found.keys() - OURS == {*machine, *DOWNLOADS}


def test_a_relative_home_is_not_kept() -> None:
    assert "HOME" not in caller.kept({"HOME": "nonsense"})


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("given", "spared"), [("mirror,localhost", "mirror,localhost,127.0.0.1"), ("*", "*"), ("a,*", "*")]
)
def test_proxies_spare_the_loopback_interface_and_what_they_spared_before(name: str, given: str, spared: str) -> None:
    found = caller.kept({name: given})
    assert found["NO_PROXY"] == found["no_proxy"] == spared


@pytest.mark.parametrize(("target", "reaches_aws"), [("demo", False), ("test", False), ("deploy", True)])
def test_only_the_target_that_deploys_to_aws_gets_the_shells_settings_for_it(target: str, reaches_aws: bool) -> None:
    installed = [f"--assume-old={name}/.stamp" for name in (".venv", ".venv-sam", ".venv-emulator")]
    command = ["make", *installed, target, "PYTHON=env #"]
    shown = subprocess.check_output(command, env={**os.environ, **NONSENSE}, text=True, stderr=subprocess.DEVNULL)
    assert ("AWS_PROFILE=nonsense" in shown.splitlines()) is reaches_aws


def test_tests_pass_in_a_shell_with_other_settings() -> None:
    """With moto, boto3, a terminal's width and times."""
    tests = ["tests/functions/test_staging.py", "tests/demand/test_config.py", "tests/demand/test_output.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, env={**os.environ, **NONSENSE, **DEAD_PROXIES}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
