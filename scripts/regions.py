"""Generates regions of a file: cogapp writes them between two markers; the rest is written by hand."""

from pathlib import Path

from cogapp.cogapp import Cog, CogError  # type: ignore[import-untyped]  # it ships no types


class RegionError(ValueError):
    """A region's marker is damaged; the message names the file, the line, and the command that restores it."""


def render(path: Path, module: str) -> str:
    """Return the file with every region generated again; a region calls functions of a module in `scripts` by name.

    Raises RegionError, and the ValueError of an invalid declaration.
    """
    cog = Cog()
    cog.options.prologue = f"from scripts import {module}"
    try:
        text: str = cog.process_string(path.read_text(encoding="utf-8"), str(path))
    except CogError as error:
        if isinstance(declaration := error.__context__, ValueError):
            raise declaration from None
        *_, reason = str(error).splitlines()
        raise RegionError(f"{path}: {reason}; restore the markers, for example with git checkout {path}") from error
    return text
