"""Builds and deploys the real template with SAM, without the user's AWS settings and home folder."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local import caller

_PROJECT = Path(__file__).parents[1]
_PROGRAMS = _PROJECT / ".venv-sam" / "bin"
STACK = "demand-pipeline-local"  # as in samconfig.toml


class SamError(RuntimeError):
    """`sam build` or `sam deploy` failed; the message contains its output."""


def build(folder: Path, tell: Callable[[str], None]) -> None:
    """Build the functions and the layer into `folder`."""
    paths = ["--build-dir", str(folder / "build"), "--cache-dir", str(folder / "cache")]
    _sam(["build", *_config(), *paths], folder, {}, tell)


def deploy(folder: Path, aws: Mapping[str, str], parameters: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Deploy the output of `build` with these parameters."""
    template = folder / "build" / "template.yaml"
    arguments = ["--template-file", str(template), "--no-progressbar", "--parameter-overrides", *overrides(parameters)]
    _sam(["deploy", *_config(), *arguments], folder, aws, tell)


def overrides(parameters: Mapping[str, str]) -> list[str]:
    """Quote parameters for SAM: without quotes it refuses empty values and truncates values at the first blank."""
    return [f'{name}="{value}"' for name, value in parameters.items()]


def outputs(cloudformation: Any) -> dict[str, str]:
    """Return the deployed stack's outputs by name."""
    described = cloudformation.describe_stacks(StackName=STACK)
    return {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}


def parameters(cloudformation: Any) -> dict[str, str]:
    """Return the deployed stack's parameters by name."""
    [described] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described["Parameters"]}


def functions(cloudformation: Any) -> dict[str, str]:
    """Return the deployed functions' names by their logical ids."""
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }


def _config() -> list[str]:
    return ["--config-file", str(_PROJECT / "samconfig.toml"), "--config-env", "local"]


def _sam(arguments: list[str], folder: Path, aws: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Run sam and report each line; raises SamError with all lines."""
    folder.mkdir(parents=True, exist_ok=True)
    # otherwise sam asks PyPI for a newer version, once a week
    (folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
    lines = []
    with subprocess.Popen(
        [str(_PROGRAMS / "sam"), *arguments],
        cwd=_PROJECT,
        env=environment(folder, aws),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if line.strip():
                    tell(line.strip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise SamError(f"sam {arguments[0]} failed:\n{''.join(lines)}")


def environment(folder: Path, aws: Mapping[str, str]) -> dict[str, str]:
    """Return the kept part of our environment, such as pip's settings and proxies, with the given AWS settings."""
    environment = caller.kept(os.environ)
    return {
        **environment,
        "PATH": f"{_PROGRAMS}{os.pathsep}{environment.get('PATH', os.defpath)}",  # the builder calls its python and pip
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",  # seconds between checks of the deployment
        "__SAM_CLI_APP_DIR": str(folder),  # its state, otherwise in the home folder
        **aws,
    }
