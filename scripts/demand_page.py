"""Generates the regions of docs/demand.md: the commands with their options and examples, and the policies they need."""

import json
from collections import Counter
from collections.abc import Iterator
from textwrap import fill
from typing import Any

from typer.main import get_command

from demand.cli.app import EXAMPLES, SHARED, app
from demand.permissions import COMMANDS, policy

# The policies of docs/demand.md by purpose: their commands, and the resources that they leave out.
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
_COLUMNS = 120
_SEVERAL = 3  # commands that have an option before it is explained once for all of them


def commands() -> str:
    """Return a section per command, from its declaration."""
    common = _common()
    return "\n\n".join(_command(name, found, common) for name, found in all_commands("", get_command(app)))


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
    return _table([_row(option) for option in next(iter(group.commands.values())).params if option.name in names])


def common_options() -> str:
    """Return a table of the options that several commands have with one meaning."""
    return _table(_common())


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


def _command(name: str, found: Any, common: list[tuple[str, str]]) -> str:
    lines = [f"### demand {name}", "", fill(" ".join(found.help.split()), _COLUMNS), "", "```console"]
    lines += [f"$ {example}" for example in EXAMPLES[name]]
    lines.append("```")
    rows = _own(found)
    if taken := [f"`{word}`" for word, meaning in common if (word, meaning) in rows]:
        lines += ["", f"Common options: {', '.join(taken)}."]
    if left := [row for row in rows if row not in common]:
        lines += ["", _table(left)]
    return "\n".join(lines)


def _common() -> list[tuple[str, str]]:
    """The options that several commands have with the same meaning, the most common first."""
    counts = Counter(row for _, found in all_commands("", get_command(app)) for row in _own(found))
    return [row for row, count in counts.most_common() if count >= _SEVERAL]


def _own(found: Any) -> list[tuple[str, str]]:
    shared = {option.name for option in SHARED}
    return [_row(parameter) for parameter in found.params if parameter.name not in shared]


def _row(option: Any) -> tuple[str, str]:
    """An option with its value, and its meaning."""
    names = ", ".join(getattr(option, "opts", [])) if option.param_type_name == "option" else ""
    metavar = "" if getattr(option, "is_flag", False) else option.metavar or ""
    return " ".join(part for part in (names, metavar) if part), " ".join((option.help or "").split())


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(
        ["| option | meaning |", "| --- | --- |", *(f"| `{word}` | {meaning} |" for word, meaning in rows)]
    )
