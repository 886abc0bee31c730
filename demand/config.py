"""The settings of a command, from flags, `DEMAND_…` variables and `samconfig.toml`, each with its source."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demand.errors import UsageError

FILE = "samconfig.toml"
_DEFAULT_ENVIRONMENT = "default"


@dataclass(frozen=True)
class Flags:
    """Options of the command line; None if not given."""

    stack: str | None = None
    region: str | None = None
    profile: str | None = None
    config_env: str | None = None
    config_file: Path | None = None


@dataclass(frozen=True)
class Setting:
    """A value and its source; without a value, the places that were searched."""

    name: str
    value: str | None
    source: str


@dataclass(frozen=True)
class Config:
    """All settings of a command."""

    stack: Setting
    region: Setting
    profile: Setting
    endpoint: Setting
    config_env: Setting
    config_file: Setting

    @property
    def stack_name(self) -> str:
        """The stack's name; raises UsageError if no setting contains one."""
        if self.stack.value is None:
            raise UsageError(f"no stack: {self.stack.source}", "demand runs --stack NAME, or run it in a checkout")
        return self.stack.value


def find_config(flags: Flags, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Config:
    """Look for each setting: flag, `DEMAND_…` variable, `samconfig.toml`, and what AWS's own tools read.

    Values of an explicit `--config-env` take precedence over variables, like flags. Raises UsageError.
    """
    variables = os.environ if environment is None else environment
    env = _first("config_env", [("--config-env", flags.config_env), _variable(variables, "DEMAND_CONFIG_ENV")])
    file = _config_file(flags, variables, folder or Path.cwd())
    section = env.value or _DEFAULT_ENVIRONMENT
    values = _read(file, section, wanted=env.value is not None)
    env = Setting("config_env", section, env.source if env.value else "default")

    def find(name: str, flag: str | None, key: str, *aws: str) -> Setting:
        in_file = (f"{FILE} [{section}]", str(values[key]) if key in values else None)
        variable = _variable(variables, f"DEMAND_{name.upper()}")
        ours = [in_file, variable] if flags.config_env else [variable, in_file]
        return _first(name, [(f"--{name}", flag), *ours, *(_variable(variables, other) for other in aws)])

    return Config(
        stack=find("stack", flags.stack, "stack_name"),
        region=find("region", flags.region, "region", "AWS_REGION", "AWS_DEFAULT_REGION"),
        profile=find("profile", flags.profile, "profile", "AWS_PROFILE"),
        endpoint=_first("endpoint", [_variable(variables, "AWS_ENDPOINT_URL")]),
        config_env=env,
        config_file=file,
    )


def sam_parameters(config: Config) -> dict[str, Any]:
    """Return all settings of the file for `sam deploy` in this environment; none without a file."""
    return _read(config.config_file, config.config_env.value or _DEFAULT_ENVIRONMENT, wanted=False)


def _variable(variables: Mapping[str, str], name: str) -> tuple[str, str | None]:
    return name, variables.get(name) or None


def _first(name: str, places: list[tuple[str, str | None]]) -> Setting:
    for source, value in places:
        if value is not None:
            return Setting(name, value, source)
    return Setting(name, None, f"not in {', '.join(source for source, _ in places)}")


def _config_file(flags: Flags, variables: Mapping[str, str], folder: Path) -> Setting:
    """Find the given file, or the first one in the folder and its parents."""
    given = _first(
        "config_file",
        [
            ("--config-file", str(flags.config_file) if flags.config_file else None),
            _variable(variables, "DEMAND_CONFIG_FILE"),
        ],
    )
    if given.value is not None:
        return given
    for place in (folder, *folder.parents):
        if (place / FILE).is_file():
            return Setting("config_file", str(place / FILE), "the folder" if place == folder else "a folder above")
    return Setting("config_file", None, f"no {FILE} in {folder} or above")


def _read(file: Setting, section: str, *, wanted: bool) -> dict[str, Any]:
    """Read SAM's parameters of an environment; parameters of `deploy` override global ones."""
    if file.value is None:
        if wanted:
            raise UsageError(f"--config-env {section}: {file.source}")
        return {}
    try:
        content = tomllib.loads(Path(file.value).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{file.value}: cannot read SAM's settings: {reason}") from error
    if section not in content and wanted:
        there = ", ".join(name for name, value in content.items() if isinstance(value, dict))
        raise UsageError(f"--config-env {section}: {file.value} contains {there or 'no environments'}")
    return {name: value for group in _groups(content.get(section)) for name, value in group.items()}


def _groups(section: Any) -> Iterator[dict[str, Any]]:
    for group in ("global", "deploy"):
        yield section.get(group, {}).get("parameters", {}) if isinstance(section, dict) else {}
