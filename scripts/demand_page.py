"""Generates the regions of docs/demand.md: the commands with their options and examples, and the policies they need."""

import json
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from demand.cli.app import EXAMPLES, SHARED, app
from demand.permissions import COMMANDS, policy

# The policies of docs/demand.md: what each lets one do, by which commands, and what of their permissions it leaves out.
POLICIES = {
    "To look at runs": (
        ("status", "watch", "runs", "show", "logs", "config"),
        ("rejects", "reading function"),
    ),
    "To read the warehouse too, keys and rejected items included, and to change nothing": (
        ("status", "watch", "runs", "show", "logs", "config", "report", "locks", "rejects list", "drift", "diff"),
        (),
    ),
    "To operate: all commands": (tuple(COMMANDS), ()),
}


def commands() -> str:
    """Return a section per command, from its declaration."""
    group: Any = get_command(app)
    return "\n\n".join(_command(name, found) for name, found in all_commands("", group))


def all_commands(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Yield the commands by their full names, including commands of nested groups."""
    for name, found in group.commands.items():
        if hasattr(found, "commands"):
            yield from all_commands(f"{name} ", found)
        else:
            yield f"{prefix}{name}", found


def shared_options() -> str:
    """Return a table of the options of all commands."""
    group: Any = get_command(app)
    names = {option.name for option in SHARED}
    return _options([option for option in next(iter(group.commands.values())).params if option.name in names])


def permissions() -> str:
    """Return a table of the actions that each command needs."""
    lines = ["| command | actions |", "| --- | --- |"]
    for name, needed in COMMANDS.items():
        actions = ", ".join(f"`{action}`" for action in dict.fromkeys(permission.action for permission in needed))
        lines.append(f"| `demand {name}` | {actions or 'none'} |")
    return "\n".join(lines)


def policies() -> str:
    """Return the policies, each with its commands."""
    return "\n\n".join(
        f"{title}{_named(commands)}:\n\n```json\n{_json(policy(commands, without))}\n```"
        for title, (commands, without) in POLICIES.items()
    )


def _named(commands: tuple[str, ...]) -> str:
    return "" if commands == tuple(COMMANDS) else f" ({', '.join(f'`{name}`' for name in commands)})"


def _json(document: dict[str, Any]) -> str:
    """Format a policy with one statement per line."""
    statements = ",\n".join(f"    {json.dumps(statement)}" for statement in document["Statement"])
    return f'{{\n  "Version": "{document["Version"]}",\n  "Statement": [\n{statements}\n  ]\n}}'


def _command(name: str, found: Any) -> str:
    shared = {option.name for option in SHARED}
    own = [parameter for parameter in found.params if parameter.name not in shared]
    lines = [f"### demand {name}", "", " ".join(found.help.split()), "", "```console"]
    lines += [f"$ {example}" for example in EXAMPLES[name]]
    lines.append("```")
    if own:
        lines += ["", _options(own)]
    return "\n".join(lines)


def _options(options: list[Any]) -> str:
    lines = ["| option | meaning |", "| --- | --- |"]
    for option in options:
        names = ", ".join(getattr(option, "opts", [])) if option.param_type_name == "option" else ""
        metavar = "" if getattr(option, "is_flag", False) else option.metavar or ""
        word = " ".join(part for part in (names, metavar) if part)
        lines.append(f"| `{word}` | {' '.join((option.help or '').split())} |")
    return "\n".join(lines)
