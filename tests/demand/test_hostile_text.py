"""Text from elsewhere cannot steer a terminal, whichever command shows it, and wherever it comes from."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.text import Text
from typer.main import get_command

from demand.cli.app import app
from demand.cli.console import PrintableConsole, one_line, printable
from demand.cli.doctor import _line as finding_line
from demand.cli.logs import _text as log_line
from demand.cli.output import Column, Output, facts, table
from demand.cli.progress import _Bars
from demand.cli.status import _parts as status_parts
from demand.errors import DemandError
from demand.logs import LogLine
from demand.runs.report import report
from demand.status import Problem, RunState, Status, Unknown
from demand_pipeline.contracts.operating.check import Finding, State
from scripts.demand_page import all_commands
from tests.demand.conftest import CASES, Real, case
from tests.demand.test_failures import RUN
from tests.demand.test_history import Story
from tests.support.aws import REGION

ROOT = Path(__file__).parents[2]
# An operating system command, CSI as C1, DEL, bidi overrides and isolates, separators of lines, a lone surrogate,
# a space of no width, and what rich would take for markup. No `\x1b[`, which is what rich itself writes.
STEERING = "\x1b]0;owned\x07\x9b31m\x7f\r\u202e\u2066\u2028\u2029\u200b[/x][link=http://x]"
HOSTILE = f"{STEERING}\ud800"
SHOWN = r"\x1b]0;owned\x07\x9b31m\x7f\r\u202e\u2066\u2028\u2029\u200b[/x][link=http://x]"
_OWN = re.compile(r"\r?\x1b\[[\d;?]*[A-Za-z]")  # of rich: styles, and movements of the cursor


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def assert_harmless(said: str) -> None:
    left = _OWN.sub("", said)
    assert not {char for char in left if not char.isprintable() and char != "\n"}


@pytest.fixture(params=[io.StringIO, Terminal], ids=["pipe", "terminal"])
def output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Output:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return Output(json_wanted=False, stdout=request.param(), stderr=request.param())


def said(output: Output) -> str:
    return "".join(console.file.getvalue() for console in (output.results, output.notes))  # type: ignore[attr-defined]


def test_whatever_is_drawn_is_printable_in_a_pipe_and_on_a_terminal(output: Output) -> None:
    styled = Text.assemble("run ", (HOSTILE, "bold red"), " ended")
    finding = Finding(HOSTILE, State.FAILURE, HOSTILE, HOSTILE)
    record = LogLine(datetime.now(UTC), HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, {HOSTILE: HOSTILE})
    drawn: list[Any] = [
        HOSTILE,
        styled,
        table(HOSTILE, [Column(HOSTILE), Column("n", number=True)], [[HOSTILE, 1], [styled, 2]]),
    ]
    drawn += [facts([(HOSTILE, HOSTILE), ("warning", styled)]), finding_line(finding), log_line(record)]
    for part in drawn:
        output.show(None, part)
    output.results.print(*drawn, soft_wrap=True)
    output.note(HOSTILE)
    output.warn(HOSTILE)
    output.fail(DemandError("Aws", HOSTILE, HOSTILE))
    try:
        int(STEERING)
    except ValueError:
        output.notes.print_exception()
    assert_harmless(said(output))
    assert said(output).count(r"\x9b") > 10


def test_a_question_is_printable(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert output.confirm(f"Stop {HOSTILE}?", yes=False)
    assert_harmless(said(output))


@pytest.mark.parametrize("output", [Terminal], indirect=True)
def test_bars_show_the_message_of_an_error_as_it_is(output: Output) -> None:
    story = Story()
    story.fail(story.schedule(story.enter("LoadWarehouse"), step="load", tables=[]), HOSTILE)
    story.transform("cases", 0, story.scan("cases", 0, 2))
    run = replace(RUN, status="RUNNING", redrivable=False, input={"tables": [HOSTILE, []], "maxItems": HOSTILE})
    output.notes.width = 200
    with _Bars(output) as bars:
        bars.update(report(run, story.tasks))
    assert_harmless(said(output))
    assert f"after {SHOWN}" in said(output)


def test_a_text_keeps_its_styles_and_its_width_where_escapes_are_in_it() -> None:
    stream = Terminal()
    console = PrintableConsole(stream)
    console.width = 8
    console.print(Text.assemble(("a\u202eb", "red"), "c\x9b", ("d", "green")))
    lines = [_OWN.sub("", line) for line in stream.getvalue().splitlines()]
    assert "".join(lines) == r"a\u202ebc\x9bd"
    assert max(map(len, lines)) <= 8
    assert "\x1b[32md\x1b[0m" in stream.getvalue()


def test_each_running_run_has_a_line_and_a_reason_cannot_begin_one(output: Output) -> None:
    now = datetime.now(UTC)
    running = tuple(RunState(name, "RUNNING", now, 1.0, None, None, None) for name in ("run-1", "run-2"))
    problems, unknown = (Problem("a\nOK", "b"),), (Unknown("locks", "c\nOK"),)
    found = Status("stack", now, None, None, running, None, None, None, problems, unknown)
    output.show(found, *status_parts(found))
    lines = [line.strip() for line in _OWN.sub("", said(output)).splitlines()]
    assert [line.split(" for ")[0].split() for line in lines if "run-" in line] == [["running", "run-1"], ["run-2"]]
    assert "OK" not in lines


def test_only_lines_that_are_meant_are_lines() -> None:
    assert printable("a\n\tb\u2028c\x85d") == "a\n\tb\\u2028c\\x85d"
    assert one_line("a\nerror: b\tc") == r"a\nerror: b\tc"
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    assert printable("Zoë, 東京: 12 €") == "Zoë, 東京: 12 €"


@pytest.mark.parametrize(("folder", "found"), [("demand", ["2", "4", "5", "6", "7"]), ("scripts", [])])
def test_the_linter_finds_the_next_text_that_goes_around_the_console(folder: str, found: list[str]) -> None:
    lines = "import sys\nfrom sys import stderr\nimport typer\nprint(1)\nprint(1, file=stderr)\nsys.stdout.flush()\ntyper.echo()\n"
    words = f"ruff check --select T201,TID251 --output-format concise --stdin-filename {folder}/new.py -".split()
    lint = subprocess.run(
        [sys.executable, "-m", *words], input=lines, text=True, cwd=ROOT, capture_output=True, check=False
    )
    assert [line.split(":")[1] for line in lint.stdout.splitlines() if line.startswith(folder)] == found


ROLLED_BACK = """
UPDATE warehouse.pipeline_runs
SET status = 'rolled back', rolled_back_at = now(), rolled_back_reason = 'HERE', rolled_back_by = 'HERE'
""".replace("HERE", STEERING)
BY_HAND = """
UPDATE warehouse.cases SET status = 'HERE';
ALTER TABLE warehouse.cases ADD CONSTRAINT "HERE" CHECK (page_count < 0) NOT VALID
""".replace("HERE", STEERING)


@pytest.fixture
def hostile(loaded: Real, monkeypatch: pytest.MonkeyPatch) -> Real:
    """Three runs, one of which failed, with hostile keys, values, attributes, names, rows, reasons and settings."""
    loaded.warehouse.sql(ROLLED_BACK)
    odd = {"documentId": {"S": f"{STEERING}\n"}, "issueDate": {"S": f"{STEERING}\n"}}
    loaded.run("--max-reject-percent", "50")
    loaded.put(*(case(number, **{STEERING: {"S": STEERING}}) for number in range(3)), odd)
    loaded.run("--max-reject-percent", "50")
    loaded.warehouse.sql(BY_HAND)
    loaded.put(case(7, pageCount={"N": "7"}))
    states: Any = boto3.client("stepfunctions", region_name=REGION)
    [machine] = states.list_state_machines()["stateMachines"]
    given = json.dumps({"tables": [STEERING, 1, {}], STEERING: STEERING})
    states.start_execution(stateMachineArn=machine["stateMachineArn"], name="odd-\u202e", input=given)
    Path("samconfig.toml").write_text(f'[{json.dumps(STEERING)}.global.parameters]\nstack_name = "x"\n')
    monkeypatch.setenv("TERM", "xterm-256color")
    return loaded


FAILING = ("--tables", "cases", "--max-reject-percent", "50")
EVERYWHERE = [("--stack", STEERING), ("--config-env", STEERING), ("--config-file", STEERING), (f"--{STEERING}",)]
WORDS: dict[str, list[tuple[str, ...]]] = {
    "run": [FAILING],
    "runs": [(), *EVERYWHERE],
    "config": EVERYWHERE,
    "rejects list": [("--samples", "5"), ("--warehouse", "--samples", "5")],
    "show": [(), ("odd-",)],
    "watch": [(), ("odd-",)],
    "redrive": [("--yes",), ("odd-", "--yes")],
    "rollback": [("--reason", STEERING, "--yes")],
    "infer": [(CASES.source,), (STEERING,), (CASES.source, "--name", STEERING)],
}
"""Arguments of commands; the others are called without any."""
SHOWING = {"run", "watch", "runs", "show", "rejects list", "verify", "drift", "doctor", "infer", "config"}


@pytest.mark.long
@pytest.mark.slow
def test_no_command_passes_a_control_on_to_a_terminal_or_a_pipe(hostile: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    showing = set()
    names = [name for name, _ in all_commands("", get_command(app))]
    for name, words in [(each, words) for each in names for words in WORDS.get(each, [()])]:
        for colours in ("", "1"):  # a pipe, a terminal
            monkeypatch.setenv("FORCE_COLOR", colours)
            shown = hostile.demand(*name.split(), *words)
            assert_harmless(shown.out + shown.err)
            if r"\u202e" in shown.out + shown.err:
                showing.add(name)
        for line in hostile.demand(*name.split(), *words, "--json").lines:
            assert line["schema_version"] == 1, name
    assert showing >= SHOWING
