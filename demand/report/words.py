"""Formats values for the report."""

import json
from datetime import UTC, datetime
from typing import Any

_CUT = 300  # characters of a text that comes from items or errors


def moment(when: datetime | str | None) -> str:
    """Format a time in UTC, since readers may be in other time zones."""
    if when is None:
        return "-"
    found = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def number(value: float | None) -> str:
    """Format a number with separators; floats get one decimal."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def percent(share: float) -> str:
    """Format a share with its sign."""
    return f"{share:+.1%}"


def value(found: Any) -> str:
    """Format a value of a run's input: join a list of names, write other values as JSON."""
    if isinstance(found, str):
        return found
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return ", ".join(found)
    return json.dumps(found, ensure_ascii=False)


def cut(text: object, most: int = _CUT) -> str:
    """Shorten a text, in one line."""
    shown = " ".join(str(text).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
