"""A column is one line in one file: with one of each type in every declaration, all that could break still passes."""

import re

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import ColumnType
from tests.slow.conftest import Project, page_section

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("walks")]

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
CAMPAIGN = "tests/campaigns/test_broken_promises.py::test_the_campaign_notices_a_broken_promise"
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
    "tests/campaigns/test_fuzz.py",
)
MUTATIONS = [f"{CAMPAIGN}[{name}]" for name in ("skip_reconciliation", "forget_the_indexes", "take_equal_for_the_same")]
LEFT_OUT = (
    "tests/unit/test_documentation.py",
    "tests/unit/test_supply_chain.py",
    "tests/functions/test_layer.py",
    "tests/functions/test_time_limit.py",
    "tests/benchmarks/test_loading.py",
)


def test_a_column_of_each_type_is_a_line_in_its_declaration(project: Project) -> None:
    assert EXAMPLES.keys() == set(ColumnType)
    shown = re.findall(r"^[(]?(Column[(].+[)],)", page_section("A column"), re.MULTILINE)
    assert len(shown) == 1
    for path in project.builders.glob("*_builder.py"):
        declaration = path.read_text(encoding="utf-8")
        assert declaration.endswith(END)
        path.write_text(f"{declaration.removesuffix(END)}        {shown[0]}\n{''.join(LINES)}{END}", encoding="utf-8")
    code = "import demand_pipeline.builders as b; print(b.__file__, *[len(t.columns) for t in b.TABLES.values()])"
    file, *columns = project.python("-c", code).split()
    assert file == str(project.builders / "__init__.py")
    assert [int(count) for count in columns] == [len(table.columns) + 1 + len(LINES) for table in TABLES.values()]

    project.generate()
    project.test(*(f"--ignore={path}" for path in LEFT_OUT), *TESTS)
    project.test("-m", "slow", *MUTATIONS)
