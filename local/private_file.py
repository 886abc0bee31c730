"""Files that only their owner reads and that other processes never find half written."""

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step: whoever reads it finds the old text or the new one, also after a kill."""
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)
