"""The output stays readable: in a closed pipe, a narrow terminal, without colours, without UTF-8."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from demand.cli.output import Column, Output, cell, duration, facts, table
from demand.cli.progress import load_line, table_line
from demand.runs.report import report
from demand.runs.tables import progress
from tests.demand.test_failures import RUN
from tests.demand.test_history import START, Story

WIDE = [
    Column("run", whole=True),
    Column("started", whole=True, optional=True),
    Column("items", number=True),
    Column("note"),
]
ROWS = [
    ["demand-20261127T030000Z-0abc", "2026-11-27 03:00:00", 1_234_567, "a note of several words that may be folded"]
]


def drawn(width: int, encoding: str = "utf-8") -> str:
    raw = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    Console(file=raw, width=width, force_terminal=True, color_system=None, legacy_windows=False).print(
        table("", WIDE, ROWS)
    )
    raw.seek(0)
    return raw.read()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_table_fits_and_keeps_names_and_numbers_whole(width: int) -> None:
    lines = drawn(width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("demand-20261127T030000Z-0abc" in line and "1,234,567" in line for line in lines)
    assert ("2026-11-27" in "".join(lines)) == (width >= 90)


@pytest.mark.parametrize("width", [20, 40, 50, 80])
def test_a_table_that_does_not_fit_leaves_out_whole_columns_and_cuts_no_number(width: int) -> None:
    columns = [Column("table"), *(Column(name, number=True) for name in "abcdefgh")]
    raw = io.StringIO()
    Console(file=raw, width=width).print(table("", columns, [["cases", *[1_234_567] * 8]]))
    assert set(re.findall(r"\d[\d,]*", raw.getvalue())) == {"1,234,567"}
    assert set(re.findall(r"\b[a-h]\b", raw.getvalue())) == set("abcdefgh")  # a title, or after "no room for"
    assert max(map(len, raw.getvalue().splitlines())) <= width


def test_a_title_that_is_wider_than_its_table_stays_in_one_line() -> None:
    raw = io.StringIO()
    title = "rejects of demand-20261127T030000Z-0abc, with today's declarations"
    Console(file=raw, width=80).print(table(title, [Column("n", number=True)], [[1]]))
    assert title in raw.getvalue()


def test_in_a_pipe_a_long_text_stays_in_one_line_and_no_line_ends_in_blanks() -> None:
    statement = "ALTER TABLE cases DROP CONSTRAINT positive;"
    stream = io.StringIO()
    output = Output(json_wanted=False, stdout=stream)
    output.add(facts([("error", "E"), ("cause", f"{'refused ' * 200}{statement}")]), table("", WIDE, ROWS))
    assert statement in stream.getvalue()
    assert [line for line in stream.getvalue().split("\n") if line != line.rstrip()] == []


def test_a_table_needs_no_utf8() -> None:
    assert drawn(140, "ascii").isascii()


def demand(*words: str, stdout: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", **variables}
    command = [sys.executable, "-m", "demand", *words]
    return subprocess.run(
        command, env=environment, cwd=Path(__file__).parents[2], stdout=stdout, stderr=subprocess.PIPE, check=False
    )


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        said = demand("run", "--help", stdout=writing)
    finally:
        os.close(writing)
    assert (said.returncode, said.stderr) == (0, b"")


def test_help_and_errors_are_readable_in_any_encoding_and_without_colours() -> None:
    said = demand("run", "--help", stdout=subprocess.PIPE, PYTHONIOENCODING="ascii", NO_COLOR="1", COLUMNS="60")
    assert said.returncode == 0
    assert b"\x1b[" not in said.stdout
    assert b"$ demand run --detach --json" in said.stdout
    said = demand("show", "näme", "--config-env", "ümlaut", stdout=subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (said.returncode, said.stdout) == (2, b"")
    assert said.stderr.startswith(b"error: --config-env ")
    assert b"Traceback" not in said.stderr


def test_debug_shows_the_traceback() -> None:
    said = demand("runs", "--config-env", "nope", "--debug", stdout=subprocess.PIPE)
    assert (said.returncode, b"Traceback" in said.stderr) == (2, True)


def test_a_question_that_nobody_can_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from demand.errors import UsageError  # noqa: PLC0415

    output = Output(json_wanted=False, stdout=io.StringIO(), stderr=io.StringIO())
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert output.confirm("Sure?", yes=True)
    with pytest.raises(UsageError, match="Sure"):
        output.confirm("Sure?", yes=False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "-"), (0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (60, "1 min 0 s"), (3599.9, "1 h 0 min"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_durations_are_short_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_cells_are_what_people_read() -> None:
    assert [cell(value) for value in (None, True, 1234, 1234.56, "x")] == ["-", "yes", "1,234", "1,234.6", "x"]


def test_the_line_of_a_load_that_waits_says_for_what_and_which_attempt_is_next() -> None:
    run = replace(RUN, status="RUNNING", redrivable=False)

    def line(story: Story) -> str:
        return load_line(report(run, story.tasks).load, START.replace(second=22))

    story = Story()
    begun = story.schedule(story.enter("LoadWarehouse"), step="load", tables=[])
    assert line(story) == "loading, 20 s"
    failed = story.fail(begun, "LockTimeoutError")
    assert line(story) == "waiting to try again, 20 s, attempt 2 after LockTimeoutError: why"
    assert report(run, story.tasks).retries == 1
    begun = story.schedule(failed, step="load", tables=[])
    assert line(story) == "loading, 20 s, attempt 2 after LockTimeoutError: why"
    assert report(run, story.tasks).retries == 1
    story.succeed(begun, again=30, reason="indexes to build")
    assert line(story) == "waiting to continue, 20 s, indexes to build"
    story.schedule(story.enter("LoadWarehouse"), step="load", tables=[])
    assert line(story) == "loading, 20 s"


def test_the_line_of_a_load_that_was_just_redriven_does_not_count_the_attempts_before() -> None:
    story = Story()
    story.fail(story.schedule(story.enter("LoadWarehouse"), step="load", tables=[]), "SchemaMismatchError")
    story.add("ExecutionFailed")
    story.add("ExecutionRedriven")
    found = report(replace(RUN, status="RUNNING", redrivable=False), story.tasks)
    assert (found.load.state, found.load.attempt, found.load.problem, found.retries) == ("waiting", 1, None, 0)


def test_the_line_of_a_table_has_items_segments_rate_and_time_left() -> None:
    story = Story()
    story.transform("cases", 0, story.scan("cases", 0, 2), rejected=1)
    [found] = progress(story.tasks.attempts)
    assert found.started is not None
    line = table_line(found, START.replace(second=22))  # 20 seconds after its first task was scheduled
    assert line == "10 items, 1/2 segments, 1 rejected, 0/s, 20 s left"
