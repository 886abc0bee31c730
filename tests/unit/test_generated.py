import pytest

from scripts import generate


def test_every_generated_file_is_current() -> None:
    assert generate.stale() == [], "run make generate"


@pytest.mark.parametrize("path", generate.GENERATED, ids=str)
def test_a_hand_edit_of_a_generated_file_is_reported(
    path: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "GENERATED", {path: lambda: "what it should be"})
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 1
    assert capsys.readouterr().out == f"{path}: stale, or edited by hand; run make generate\n"
