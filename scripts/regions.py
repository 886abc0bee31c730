"""Regions of a file that cogapp writes between two markers; what stands around them is written by hand."""

from pathlib import Path

from cogapp import Cog  # type: ignore[import-untyped]  # it ships no types


def render(path: Path, module: str) -> str:
    """The file with every region written again; a region calls functions of the module by its name in `scripts`."""
    cog = Cog()
    cog.options.prologue = f"from scripts import {module}"
    text: str = cog.process_string(path.read_text(encoding="utf-8"), str(path))
    return text
