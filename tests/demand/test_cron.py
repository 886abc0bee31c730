"""The next start of a schedule: fields and wildcards as Scheduler's user guide has them."""

from datetime import UTC, datetime

import pytest

from demand.cron import next_start

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("expression", "timezone", "start"),
    [
        ("cron(0 3 * * ? *)", "UTC", "2026-12-02 03:00"),
        ("cron(0 12 * * ? *)", "UTC", "2026-12-02 12:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-12-01 12:15"),
        ("cron(30 12,18 * * ? *)", "UTC", "2026-12-01 12:30"),
        ("cron(0 20 * * ? *)", "Asia/Tokyo", "2026-12-02 11:00"),
        ("cron(0 8 ? * MON-FRI *)", "UTC", "2026-12-02 08:00"),
        ("cron(0 8 ? * SUN,2 *)", "UTC", "2026-12-06 08:00"),
        ("cron(0 8 ? * 2#1 *)", "UTC", "2026-12-07 08:00"),
        ("cron(0 8 ? * FRIL *)", "UTC", "2026-12-25 08:00"),
        ("cron(0 8 ? * L *)", "UTC", "2026-12-05 08:00"),
        ("cron(0 8 L * ? *)", "UTC", "2026-12-31 08:00"),
        ("cron(0 8 5W * ? *)", "UTC", "2026-12-04 08:00"),  # the 5th is a Saturday
        ("cron(0 8 6W * ? *)", "UTC", "2026-12-07 08:00"),
        ("cron(0 8 1W MAY ? *)", "UTC", "2027-05-03 08:00"),  # a Saturday, with no day before it in its month
        ("cron(0 8 LW JAN ? *)", "UTC", "2027-01-29 08:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2028-02-29 00:00"),
        ("cron(0 0 1 1 ? 2030/5)", "UTC", "2030-01-01 00:00"),
        ("at(2027-01-01T06:30:00)", "Europe/London", "2027-01-01 06:30"),
        # Spring: the clock skips this hour on 28 March. Autumn: it comes twice on 25 October, and counts once.
        ("cron(30 1 28,29 3 ? *)", "Europe/London", "2027-03-29 00:30"),
        ("cron(30 1 31 10 ? *)", "Europe/London", "2027-10-31 00:30"),
    ],
)  # fmt: skip
def test_the_next_start_of_a_schedule_is_computed(expression: str, timezone: str, start: str) -> None:
    found = next_start(expression, timezone, NOW)
    assert found is not None
    assert f"{found.astimezone(UTC):%Y-%m-%d %H:%M}" == start


def test_an_hour_that_comes_twice_starts_one_run() -> None:
    after_the_first = datetime(2027, 10, 31, 0, 45, tzinfo=UTC)
    found = next_start("cron(30 1 * * ? *)", "Europe/London", after_the_first)
    assert found == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("rate(12 hours)", "UTC"),  # it counts from a moment that AWS does not show
        ("at(2026-01-01T00:00:00)", "UTC"),
        ("cron(0 0 1 1 ? 2020)", "UTC"),
        ("cron(0 3 * * ? *)", "Nowhere/Atlantis"),
        ("cron(0 3 * * ?)", "UTC"),
        ("cron(61 3 * * ? *)", "UTC"),
        ("cron(0 3 ? * XYZ *)", "UTC"),
        ("", ""),
    ],
)
def test_a_start_that_cannot_be_known_is_not_guessed(expression: str, timezone: str) -> None:
    assert next_start(expression, timezone, NOW) is None
