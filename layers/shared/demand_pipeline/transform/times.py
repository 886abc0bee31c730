"""Converts dates and timestamps to their staged form: JSON strings that PostgreSQL reads, timestamps in UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from demand_pipeline.transform.numbers import PlainDecimal

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC: the text gets a Z
_USUAL_DIGITS = 15  # enough for seconds and for milliseconds
_MILLISECONDS_FROM = 10**11
_MICROSECONDS = 6
_in_utc = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z").fullmatch


def date_text(text: str) -> str:
    """Convert a date, or a timestamp to its date in its own offset; raises ValueError if it is neither."""
    return f'"{datetime.fromisoformat(text).date().isoformat()}"'


def timestamp_text(text: str) -> str:
    """Convert a timestamp to UTC; without an offset, it is UTC. Raises ValueError if it is not a timestamp."""
    moment = datetime.fromisoformat(text)
    if _in_utc(text):  # PostgreSQL reads it too
        return f'"{text}"'
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        return f'"{moment.astimezone(UTC).isoformat()}"'
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999 in UTC") from error


def epoch_text(text: str) -> str:
    """Convert seconds since 1970, or milliseconds from 10^11 on, to a timestamp; raises ValueError for other numbers.

    Fractions of a microsecond are truncated.
    """
    if text.isascii() and text.isdecimal() and len(text) <= _USUAL_DIGITS:
        number = int(text)
        microseconds = number * (1000 if number >= _MILLISECONDS_FROM else 1_000_000)
    else:
        exact = PlainDecimal.parse(text)
        in_milliseconds = abs(exact.scaled(0)) >= _MILLISECONDS_FROM
        microseconds = exact.scaled(_MICROSECONDS - 3 if in_milliseconds else _MICROSECONDS)
    seconds, microseconds = divmod(microseconds, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    fraction = f".{microseconds:06}" if microseconds else ""
    try:
        return f'"{_hour(hours)}{_minutes(seconds)}{fraction}Z"'
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


# Items come in bursts, so hours repeat; caching them halves the cost of building a datetime.
@lru_cache(4096)
def _hour(hours: int) -> str:
    return (_EPOCH + timedelta(hours=hours)).isoformat().removesuffix("00:00")


@lru_cache(3600)
def _minutes(seconds: int) -> str:
    return f"{seconds // 60:02}:{seconds % 60:02}"
