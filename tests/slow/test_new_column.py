"""A column is one line in one file: with one of each type in every declaration, all that could break still passes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demand_pipeline.tables import ColumnType

ROOT = Path(__file__).parents[2]
BUILDERS = "layers/shared/demand_pipeline/builders"
# A line for each type, as somebody would write it; the names of types and attributes are all that differs.
EXAMPLES = {
    ColumnType.TEXT: '("a", "b")',
    ColumnType.NUMERIC: '("1.50", "2")',
    ColumnType.BIGINT: '("1", "9007199254740993")',
    ColumnType.BOOLEAN: '("true", "false")',
    ColumnType.DATE: '("2026-01-31",)',
    ColumnType.TIMESTAMPTZ: '("2026-01-31T12:00:00Z", "1775025072123")',
    ColumnType.TEXT_ARRAY: '("a", "b")',
    ColumnType.NUMERIC_ARRAY: '("1.5", "2")',
    ColumnType.JSONB: """('{"a": [1.50, null]}',)""",
    ColumnType.BYTEA: '("n4bQ",)',
}
LINES = [
    f'        Column("new_{kind.name.lower()}", ColumnType.{kind.name}, "new{number}.{kind.name}", "New.", {examples}),\n'
    for number, (kind, examples) in enumerate(EXAMPLES.items())
]
END = "    ),\n)\n"
# What reads columns. Left out is what never does (the state machine over fakes, the layer's content, time limits, the
# emulator), and most of what takes minutes: of the campaign there is a mutation of each kind.
CAMPAIGN = "tests/faults/test_mutations.py::test_the_campaign_notices_a_broken_promise"
TESTS = (
    "tests/unit",
    "tests/functions",
    "tests/template",
    "tests/statemachine/test_pipeline.py",
    "tests/local/test_sample.py",
    "tests/benchmarks",
    "tests/integration/test_adopt.py",
    "tests/integration/test_handler.py",
    "tests/integration/test_merge.py",
    "tests/integration/test_schema.py",
    "tests/hostile",
    *(f"{CAMPAIGN}[{name}]" for name in ("skip_reconciliation", "forget_the_indexes", "take_equal_for_the_same")),
)
LEFT_OUT = (
    "tests/unit/test_documentation.py",
    "tests/unit/test_supply_chain.py",
    "tests/functions/test_layer.py",
    "tests/functions/test_time_limit.py",
    "tests/benchmarks/test_loading.py",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with the environments of the original."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in [name for name in names if (ROOT / name).is_file()]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for environment in ROOT.glob(".venv*"):
        (tmp_path / environment.name).symlink_to(environment)
    return tmp_path


def python(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy. Its library comes before the original's, which the environment finds by itself."""
    environment = os.environ | {"PYTHONPATH": f"{project / 'layers' / 'shared'}:{project}"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)


def test_a_column_of_each_type_is_a_line_in_its_declaration(project: Path) -> None:
    assert EXAMPLES.keys() == set(ColumnType)
    for path in (project / BUILDERS).glob("*_builder.py"):
        declaration = path.read_text(encoding="utf-8")
        assert declaration.endswith(END)
        path.write_text(declaration.removesuffix(END) + "".join(LINES) + END, encoding="utf-8")
    code = "import demand_pipeline.builders as b; print(b.__file__, *[len(t.columns) for t in b.TABLES.values()])"
    before, after = python(ROOT, "-c", code).stdout.split(), python(project, "-c", code).stdout.split()
    assert after[0] == str(project / BUILDERS / "__init__.py")
    assert [int(count) for count in after[1:]] == [int(count) + len(LINES) for count in before[1:]]

    generated = python(project, "-m", "scripts.generate")
    assert (generated.returncode, generated.stderr) == (0, "")
    assert "docs/data-dictionary.md: written" in generated.stdout
    quietly = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider"]
    left_out = [f"--ignore={path}" for path in LEFT_OUT]
    tested = python(project, "-m", "pytest", *quietly, *left_out, *TESTS)
    assert tested.returncode == 0, tested.stdout[-20_000:]
