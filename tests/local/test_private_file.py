"""Files that other processes read while they are written."""

from pathlib import Path

import pytest

from local.private_file import write_private


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    write_private(tmp_path / "state.json", "new")
    assert (tmp_path / "state.json").read_text() == "new"
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("old", ["old", None])
def test_a_reader_never_finds_it_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str | None) -> None:
    path, found = tmp_path / "state.json", []
    if old is not None:
        path.write_text(old)
    write = Path.write_text

    def look(self: Path, text: str) -> int:
        self.open("w").close()
        found.append(path.read_text() if path.exists() else None)
        return write(self, text)

    monkeypatch.setattr(Path, "write_text", look)
    write_private(path, "new")
    assert found == [old]
