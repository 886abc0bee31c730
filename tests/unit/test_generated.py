import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.tables import Column, ColumnType
from scripts import data_dictionary, generate, regions

ROOT = Path(__file__).parents[2]


def test_every_generated_file_is_current() -> None:
    assert list(generate.stale()) == [], "run make generate"


@pytest.fixture(params=generate.GENERATED, ids=str)
def edited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A generated file in which somebody has changed a line."""
    path: Path = request.param
    rendered = {other: partial(str, f"as {other} should be") for other in generate.GENERATED}
    monkeypatch.setattr(generate, "GENERATED", rendered)
    monkeypatch.setattr(generate, "_text", lambda other: "an edit" if other == path else rendered[other]())
    return path


def test_a_hand_edit_of_a_generated_file_is_reported(
    edited: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 1
    assert capsys.readouterr().out == f"{edited}: stale, or edited by hand; run make generate\n"


def test_a_sample_event_of_no_table_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "transform_gone.json").write_text("{}")
    monkeypatch.setattr(generate, "EVENTS", tmp_path)
    assert generate.stale() == {tmp_path / "transform_gone.json": None}


STATUS = 'Column("status", ColumnType.TEXT, "status", '


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        (
            "case_builder",
            STATUS,
            STATUS.replace("ColumnType.TEXT", '"varchar"'),
            "cases.status: expected a ColumnType, ",
        ),
        ("case_builder", STATUS, STATUS.replace('"status", C', '"a\\nb" * 32, C'), "cases.a ba ba b"),
        (
            "case_builder",
            STATUS,
            STATUS.replace("TEXT", "VARCHAR"),
            "case_builder.py:[0-9]+: .* no attribute 'VARCHAR'",
        ),
        ("case_builder", STATUS, f"{STATUS})", r".*\(case_builder.py, line [0-9]+\)$"),
        (
            "case_builder",
            '("2026-03-31", "2026-11-02")',
            '("31.03.2026",)',
            "cases.issue_date: expected an example of type date, got '31.03.2026'",
        ),
        (
            "__init__",
            "registry(CASES, ",
            "registry(CASES, CASES, ",
            "cases: the name 'cases' is already used by cases",
        ),
    ],
    ids=["type", "name", "member", "syntax", "example", "registry"],
)
def test_a_declaration_that_cannot_work_is_one_line_and_no_traceback(
    tmp_path: Path, file: str, old: str, new: str, line: str
) -> None:
    library = tmp_path / "demand_pipeline"
    shutil.copytree(ROOT / "layers/shared/demand_pipeline", library)
    builder = library / "builders" / f"{file}.py"
    text = builder.read_text()
    assert old in text
    builder.write_text(text.replace(old, new))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "scripts.generate", "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(line, done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("marker", ["[[[end]]]", "cog.out(template.alarms())"])
def test_a_damaged_marker_is_reported_with_the_file_and_the_command_that_restores_it(
    marker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "template.yaml"
    damaged.write_text((ROOT / "template.yaml").read_text().replace(marker, "damaged()"))
    monkeypatch.setattr(generate, "GENERATED", {damaged: partial(regions.render, damaged, "template")})
    monkeypatch.setattr("sys.argv", ["generate"])
    with pytest.raises(SystemExit, match=f"^{damaged}: .+; restore the markers, .+ git checkout {damaged}$"):
        generate.main()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("amounts.net", "amounts.net"),
        (("lines", 0, "sku"), "`lines[0].sku`"),
        (("unit.price",), '`["unit.price"]`'),
        (("größe", "a|b`c\n", 2), r'``größe["a\|b`c\n"][2]``'),
    ],
)
def test_the_data_dictionary_shows_any_path_in_one_cell(source: Any, shown: str) -> None:
    row = data_dictionary._row(Column("a|b", ColumnType.TEXT, source, "Two\nlines.", ("x|y",)))
    assert row == rf"| `a\|b` | text | {shown} | S; N; BOOL | Two lines. | `x\|y` |"
