"""`parameter_overrides` of samconfig.toml, read and written by SAM's own rules (its `CfnParameterOverridesType`)."""

import json
import re
from collections.abc import Iterable
from typing import Any

_NAME = r"""([A-Za-z0-9"']+)"""
_VALUE = r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:\\.|[^ "\\])+)"""
# SAM tries the second form only if the first does not match.
_FORMS = (rf"ParameterKey={_NAME},ParameterValue={_VALUE}", rf" {_NAME}={_VALUE}")
_PLAIN = re.compile(r"[^ \"'\\]+")


class OverrideError(ValueError):
    """SAM rejects a member of the list, or reads it from another file; the message quotes the member."""


def read(overrides: Any) -> dict[str, str]:
    """Return the values that SAM reads from a text, a table, or a list of both; raises OverrideError."""
    found: dict[str, str] = {}
    for member in _flat(overrides or []):
        found |= _from_table(member) if isinstance(member, dict) else _from_text(str(member))
    return {_unquoted(name): _unquoted(value) for name, value in found.items()}


def written(name: str, value: str) -> str:
    """Return a line of samconfig.toml that gives a parameter this value; `value` may not contain a backslash."""
    if _PLAIN.fullmatch(value):
        return f'"{name}={value}"'
    text = f"{name}={json.dumps(value, ensure_ascii=False)}"
    return json.dumps(text, ensure_ascii=False) if "'" in text else f"'{text}'"  # JSON's strings are TOML's


def _flat(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        for member in value:
            yield from _flat(member)
    else:
        yield value


def _from_table(table: dict[str, Any]) -> dict[str, str]:
    if "$include" in table:
        raise OverrideError("$include reads values from another file")
    return {name: _joined(value) if isinstance(value, list) else str(value) for name, value in table.items()}


def _joined(values: list[Any]) -> str:
    return ",".join(str(value).strip() for value in values if value != "")


def _from_text(text: str) -> dict[str, str]:
    if text.startswith("file://"):
        raise OverrideError(f"{text} reads values from another file")
    for form in _FORMS:
        if found := re.findall(form, f" {text.strip()}"):
            return dict(found)
    raise OverrideError(f"SAM rejects {text!r}")


def _unquoted(text: str) -> str:
    if text and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text.replace(r"\ ", " ").replace(r"\"", '"').replace(r"\'", "'")
