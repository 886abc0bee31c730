"""What a new Lambda environment imports before the first event, and how large the packages are."""

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, Size
from benchmarks.process import Usage, interleaved, run
from benchmarks.stand import ROOT

_FUNCTIONS = ROOT / "functions"


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Whole processes that import a function's module as Lambda does, beside Python and boto3 alone."""
    functions = sorted(path.parent.name for path in _FUNCTIONS.glob("*/app.py"))
    with tempfile.TemporaryDirectory() as folder:
        progress("the layer")
        layer = build_layer(Path(folder))
        imports = {"python": "pass", "boto3": "import boto3"} | dict.fromkeys(functions, "import app")
        starts = {name: partial(_start, name, code, layer, progress) for name, code in imports.items()}
        runs = interleaved(starts, size.cold_start_repetitions)
        layer_bytes = zipped_bytes(layer, bytecode=True)
    for name, usages in runs.items():
        yield Figure(f"cold_{name}_import_ms", 1000 * Usage.median(usages).wall, "ms")
    # Tests may have left bytecode there.
    size_of = {function: zipped_bytes(_FUNCTIONS / function, bytecode=False) for function in functions}
    for function in functions:
        yield Figure(f"cold_{function}_package_kb", size_of[function] / 1024, "KB")
    yield Figure("cold_layer_package_kb", layer_bytes / 1024, "KB")


def build_layer(folder: Path) -> Path:
    """The layer as `sam build` makes it, by its own Makefile and with pip of SAM's environment."""
    environment = os.environ | {"PATH": f"{ROOT / '.venv-sam' / 'bin'}:{os.environ['PATH']}"}
    command = ["make", "--silent", "build-SharedLayer", f"ARTIFACTS_DIR={folder}"]
    subprocess.run(command, cwd=ROOT / "layers" / "shared", env=environment, check=True, capture_output=True)
    return folder


def zipped_bytes(folder: Path, *, bytecode: bool) -> int:
    """The size of a folder's zip, with the bytecode that it has or without."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (bytecode or "__pycache__" not in path.parts):
                archive.write(path, path.relative_to(folder))
    return len(file.getvalue())


def _start(name: str, code: str, layer: Path, progress: Callable[[str], None]) -> Usage:
    """Run the code where a function finds what it imports: its folder, the layer, boto3 of the runtime."""
    progress(f"start of {name}")
    # Both are read-only in Lambda: what brings no bytecode is compiled at every start.
    environment = {"PYTHONPATH": f"{_FUNCTIONS / name}:{layer / 'python'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return run([sys.executable, "-c", code], environment=environment)
