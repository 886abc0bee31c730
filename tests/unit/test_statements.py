"""The statements of all packages: where each lies, and that no name is ambiguous in those that can run other people's code."""

import ast
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from demand_pipeline.postgres.others import runs_others_code
from demand_pipeline.postgres.statements import Statements, read_queries
from tests.support.queries import COMMANDS, FILES, LIBRARY, QUERIES

FIRING = [name for name, text in QUERIES.items() if runs_others_code(text) and "TO STDOUT" not in text]

# What names nothing by its type: literals, storage parameters, assignments of UPDATE, the columns of a row.
IGNORED = re.compile(
    r"--[^\n]*|'[^']*'|\"[^\"]*\"|OPERATOR\(pg_catalog\.\S+\)|WITH \([^)]*\)|(?:\bSET|,)\s+\w+ = |\w+\.\*|(?:(?<=\()|(?<=SELECT )|(?<=RETURNING ))\*|\{\w+\}|::"
)
# A function's parenthesis follows it without a space; the parser names that of `extract` with its schema.
AMBIGUOUS = re.compile(r"(?<![.\w])(?!extract\()\w+(?=\()|[-+*/<>=~!@#%^&|`?]+")
# What looks an operator up by its name without showing it.
HIDDEN = re.compile(r"\b(?:IN \(|LIKE '|BETWEEN|SIMILAR TO|DISTINCT FROM|NULLIF|USING \(|CASE \w+ WHEN)")


def ambiguous_names(text: str) -> list[str]:
    return AMBIGUOUS.findall(IGNORED.sub(" ", text)) + HIDDEN.findall(text)


@pytest.mark.parametrize("name", FIRING)
def test_a_statement_that_can_run_other_peoples_code_names_the_schema_of_functions_and_operators(name: str) -> None:
    assert ambiguous_names(QUERIES[name]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DELETE FROM {table} WHERE a = 1", ["="]),
        ("UPDATE {table} SET a = lower(b), c = d || 'x'", ["lower", "||"]),
        ("UPDATE {table} SET a = pg_catalog.lower(b) WHERE a OPERATOR(pg_catalog.<>) 'a = b' -- c = d", []),
        ("DELETE FROM {table} WHERE a IN (SELECT b FROM c)", ["IN ("]),
        ("SELECT count(*)::bigint", ["count"]),
    ],
)
def test_an_ambiguous_name_is_found(text: str, found: list[str]) -> None:
    assert ambiguous_names(text) == found


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("SELECT format('DELETE FROM %I', name) FROM names", False),
        ("-- UPDATE\n  -- more\nSELECT 1", False),
        ("WITH a AS (SELECT 'DELETE FROM b', \"UPDATE\" FROM c) -- INSERT\nSELECT", False),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT", True),
        ("-- why\ncreate TABLE a ()", True),
        ("COMMIT", True),
        ("ROLLBACK TO SAVEPOINT a", False),
        ("LOCK TABLE a IN SHARE UPDATE EXCLUSIVE MODE", False),
        ("REFRESH MATERIALIZED VIEW a", True),
        ("DECLARE a CURSOR FOR SELECT lower(b) FROM c", False),
        ("", True),
    ],
)
def test_statements_that_can_run_other_peoples_code_are_told_by_what_they_do(text: str, runs: bool) -> None:
    assert runs_others_code(text) is runs


def users() -> dict[str, set[Path]]:
    """The folders of the modules that name each statement."""
    found: dict[str, set[Path]] = {name: set() for name in QUERIES}
    for module in (*LIBRARY.rglob("*.py"), *COMMANDS.rglob("*.py")):
        if "\nstatement = Statements(__package__)\n" in (text := module.read_text()):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and node.value in found:
                    found[node.value].add(module.parent)
    return found


def nearest(folders: set[Path]) -> Path:
    """The innermost package around all of them; `postgres` for statements that several packages of the library run."""
    common = Path(os.path.commonpath(folders))
    return common if common == COMMANDS or LIBRARY in common.parents else LIBRARY / "postgres"


def test_the_names_of_statements_are_unique() -> None:
    counts = Counter(name for file in FILES for name in read_queries(file.parent))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_statement_lies_in_the_package_nearest_to_those_that_run_it() -> None:
    run = users()
    assert [name for name, folders in run.items() if not folders] == []
    places = {name: file.parent for file in FILES for name in read_queries(file.parent)}
    assert places == {name: nearest(folders) for name, folders in run.items()}


def test_a_package_runs_its_own_statements_those_around_it_and_the_shared_ones_but_no_others() -> None:
    swap, operate = Statements("demand_pipeline.load.swap"), Statements("demand_pipeline.operate")
    assert swap("detach", parent="a", partition='b"') == 'ALTER TABLE "a" DETACH PARTITION "b""";'
    assert swap("begin") == operate("begin")
    with pytest.raises(KeyError):
        operate("detach", parent="a", partition="b")
