"""The next start of a schedule in EventBridge Scheduler, which its API does not report.

Scheduler's user guide, "Schedule types": fields, wildcards, and the effect of changes to and from summer time.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_YEARS = (1970, 2199)


def next_start(expression: str, timezone: str, now: datetime) -> datetime | None:
    """The first start after `now`.

    None if it is unknown: a rate counts from a time that AWS does not show, and an expression may have no further start
    or be one that this module does not support.
    """
    kind, _, rest = expression.partition("(")
    text = rest.removesuffix(")")
    try:
        zone = ZoneInfo(timezone)
        starts = (
            _starts(text, zone, now) if kind == "cron" else iter([datetime.fromisoformat(text).replace(tzinfo=zone)])
        )
        return next((start for start in starts if start > now), None)
    except (ValueError, LookupError, OSError):  # also for a rate and an unknown time zone
        return None


def _starts(text: str, zone: tzinfo, now: datetime) -> Iterator[datetime]:
    """Yield all starts from today on, in order. A skipped local time has no start, a repeated one has one."""
    minutes, hours, days, months, weekdays, years = text.upper().split()
    in_years, in_months = _values(years, *_YEARS), _values(months, 1, 12, _MONTHS)
    times = [(hour, minute) for hour in sorted(_values(hours, 0, 23)) for minute in sorted(_values(minutes, 0, 59))]
    day = now.astimezone(zone).date()
    while day.year <= max(in_years):
        if day.year in in_years and day.month in in_months and _is_day(day, days) and _is_weekday(day, weekdays):
            for hour, minute in times:
                start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                if start.astimezone(UTC).astimezone(zone).replace(fold=0) == start:
                    yield start
        day += timedelta(days=1)


def _values(field: str, low: int, high: int, names: Mapping[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            start, end = low, high
        else:
            start = _number(first, names)
            end = _number(last, names) if last else high if step else start
        if not low <= start <= end <= high:
            raise ValueError(field)
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _number(text: str, names: Mapping[str, int] | None) -> int:
    return (names or {}).get(text) or int(text)


def _is_day(day: date, field: str) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if weekday := re.fullmatch(r"(\d+|L)W", field):
        wanted = last if weekday[1] == "L" else int(weekday[1])
        return wanted <= last and day.day == _nearest_weekday(day.replace(day=wanted), last)
    return day.day in _values(field, 1, 31)


def _nearest_weekday(day: date, last: int) -> int:
    """Return the Friday before a Saturday or the Monday after a Sunday, unless it is in a different month."""
    match day.isoweekday():
        case 6:
            return day.day - 1 if day.day > 1 else day.day + 2
        case 7:
            return day.day + 1 if day.day < last else day.day - 2
    return day.day


def _is_weekday(day: date, field: str) -> bool:
    number = day.isoweekday() % 7 + 1
    if field == "L":
        return number == _DAYS["SAT"]
    if found := re.fullmatch(r"(\w+)#([1-5])", field):
        return number == _number(found[1], _DAYS) and (day.day - 1) // 7 + 1 == int(found[2])
    if found := re.fullmatch(r"(\w+)L", field):
        last = calendar.monthrange(day.year, day.month)[1]
        return number == _number(found[1], _DAYS) and day.day > last - 7
    return number in _values(field, 1, 7, _DAYS)
