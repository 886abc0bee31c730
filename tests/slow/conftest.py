"""A copy of the project that a walk of docs/adapt.md changes, as somebody who adapts it would."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A file's name in a sentence or on a line of its own, and its content.
_FILE = re.compile(r"`(layers/shared/[^`]+[.]py)`:\n\n```python\n(.+?)```", re.DOTALL)
_SHOW = "from local import run, stack; run.demand(stack.Stack(stack.DEFAULT_FOLDER), 'show', '--json')"
_QUIETLY = ("-q", "--no-header", "--tb=short", "-p", "no:cacheprovider")


class Project:
    """The project's files as they are now, and the environments of the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.builders = folder / "layers/shared/demand_pipeline/builders"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        for name in [name for name in names if (ROOT / name).is_file()]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        for environment in ROOT.glob(".venv*"):
            (folder / environment.name).symlink_to(environment)

    def write(self, section: str) -> None:
        """Write the files that a section of docs/adapt.md shows."""
        files = _FILE.findall(page_section(section))
        assert files
        for name, text in files:
            (self.folder / name).write_text(text, encoding="utf-8")

    def python(self, *arguments: str) -> str:
        """Run Python in the copy, and return what it writes. Its library comes before the original's."""
        environment = os.environ | {"PYTHONPATH": f"{self.folder / 'layers' / 'shared'}:{self.folder}"}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-20_000:]
        return done.stdout

    def generate(self) -> None:
        assert "docs/data-dictionary.md: written" in self.python("-m", "scripts.generate")

    def test(self, *tests: str) -> None:
        self.python("-m", "pytest", *_QUIETLY, *tests)

    def demo(self) -> set[str]:
        """Refresh the sample's tables on a local stack, whose counts it checks, and return their names."""
        try:
            self.python("-m", "local", "demo", "--size", "300")
            shown = json.loads(self.python("-c", _SHOW))
            return {table["table"] for table in shown["receipt"]["tables"]}
        finally:
            self.python("-m", "local", "down")


def page_section(title: str) -> str:
    """A section of docs/adapt.md."""
    page = (ROOT / "docs/adapt.md").read_text(encoding="utf-8")
    [section] = [part for part in page.split("\n## ") if part.startswith(f"{title}\n")]
    return section


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
