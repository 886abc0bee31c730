"""The imports of a new Lambda environment before its first event, and the sizes of the packages."""

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.figures import Figure, Size
from benchmarks.usage import Usage, interleaved, run

_FUNCTIONS = ROOT / "functions"


def measure(size: Size, progress: Callable[[str], None]) -> Iterator[Figure]:
    """Measure whole processes that import a function's module as Lambda does, and Python and boto3 alone."""
    functions = sorted(path.parent.name for path in _FUNCTIONS.glob("*/app.py"))
    with tempfile.TemporaryDirectory() as folder:
        progress("the layer")
        layer = _build_layer(Path(folder))
        imports = {"python": "pass", "boto3": "import boto3"} | dict.fromkeys(functions, "import app")
        progress("imports")
        starts = {name: partial(_start, name, code, layer) for name, code in imports.items()}
        runs = interleaved(starts.items(), size.cold_start_repetitions)
        layer_bytes = _zipped_bytes(layer, bytecode=True)
    for name, usages in runs.items():
        yield Figure(f"cold_{name}_import_ms", 1000 * Usage.median(usages).wall, "ms")
    for function in functions:
        # Tests may have left bytecode in the folder.
        size_of_zip = _zipped_bytes(_FUNCTIONS / function, bytecode=False)
        yield Figure(f"cold_{function}_package_kb", size_of_zip / 1024, "KB")
    yield Figure("cold_layer_package_kb", layer_bytes / 1024, "KB")


def _build_layer(folder: Path) -> Path:
    """Build the layer as `sam build` does, with its Makefile and the pip of SAM's environment."""
    variables = os.environ | {"PATH": f"{ROOT / '.venv-sam' / 'bin'}:{os.environ['PATH']}"}
    command = ["make", "--silent", "build-SharedLayer", f"ARTIFACTS_DIR={folder}"]
    subprocess.run(command, cwd=ROOT / "layers" / "shared", env=variables, check=True, capture_output=True)
    return folder


def _zipped_bytes(folder: Path, *, bytecode: bool) -> int:
    """Return the size of a folder's zip, with or without bytecode."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (bytecode or "__pycache__" not in path.parts):
                archive.write(path, path.relative_to(folder))
    return len(file.getvalue())


def _start(name: str, code: str, layer: Path) -> Usage:
    """Run the code with a function's import path: its folder, the layer, the runtime's boto3."""
    # Folder and layer are read-only in Lambda: a module without bytecode is compiled at every start.
    variables = {"PYTHONPATH": f"{_FUNCTIONS / name}:{layer / 'python'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return run([sys.executable, "-c", code], variables)
