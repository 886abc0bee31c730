"""Writes files that only their owner can read and that other processes never see half written."""

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees either the old or the new text, even after a kill."""
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
