"""No program decides by sentences of its own: they are for people, and may be rewritten at any time."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDERS = ("demand", "functions", "layers/shared/demand_pipeline", "scripts")
SOURCES = [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.py"))]
CUTTING = {
    "endswith", "find", "index", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit",
    "split", "startswith",
}  # fmt: skip
PROSE = re.compile(r"[a-z] [a-z]|[,;:] [a-z]")
SENTENCES = {"action", "cause", "error", "meaning", "message", "problem", "reason", "text"}
# PostgreSQL's name of a type, and YAML.
ALLOWED = {"without time zone", "  Type: AWS::"}


def searched(source: str) -> Iterator[str]:
    """The words by which a source takes a sentence apart, or looks into one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CUTTING:
            yield from (text for text in map(constant, node.args) if PROSE.search(text))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            [where] = node.comparators[:1]
            name = where.attr if isinstance(where, ast.Attribute) else where.id if isinstance(where, ast.Name) else ""
            if name in SENTENCES and re.search("[a-z]", constant(node.left)):
                yield constant(node.left)


def constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_sentence_is_taken_apart(path: Path) -> None:
    assert set(searched(path.read_text(encoding="utf-8"))) - ALLOWED == set()
