from functools import partial
from pathlib import Path

import pytest

from scripts import generate


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
