"""Generates dbt/sources.yml from the declarations: the warehouse's tables as sources of a dbt project."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from demand_pipeline.builders import TABLES
from demand_pipeline.load.warehouse.control_tables import FRESHNESS
from demand_pipeline.tables import Column, Table

PAGE = Path("dbt/sources.yml")
TEMPLATE = Path("template.yaml")

_SCHEMA = "{{ var('demand_pipeline_schema', 'public') }}"
_HEAD = f"""\
# Generated from the declarations by `make generate`; do not edit. Copy it into the models of a dbt project, 1.10 or
# newer. The variable demand_pipeline_schema is the stack's parameter PostgresSchema.
version: 2

sources:
  - name: demand_pipeline
    description: Invoice Transactions, refreshed from DynamoDB as a whole. A run commits completely or not at all.
    schema: "{_SCHEMA}"
    tables:
"""


def render() -> str:
    """Return the whole file as YAML: texts are JSON strings, which are valid YAML."""
    return _HEAD + "\n".join(line for table in TABLES.values() for line in _table(table)) + "\n"


def _table(table: Table) -> Iterator[str]:
    hours = _hours_without_success()
    key = [column.name for column in table.key]
    yield f"      - name: {table.name}"
    yield f"        description: {_text(table.description)}"
    yield "        config:"
    # Freshness depends on the last run, not on the rows: a table that is empty or has only old rows is not stale.
    yield "          loaded_at_query: >-"
    yield f"            select max(committed_at) from {_SCHEMA}.{FRESHNESS}"  # noqa: S608 - names of our own
    yield f"            where table_name = '{table.name}'"
    yield "          freshness:"
    yield f"            warn_after: {{count: {hours}, period: hour}}"
    yield f"            error_after: {{count: {2 * hours}, period: hour}}"
    if len(key) > 1:
        yield "        data_tests:"
        yield f"          - unique: {{arguments: {{column_name: {_text(f'({", ".join(map(_quoted, key))})')}}}}}"
    yield "        columns:"
    for column in table.stored_columns:
        yield from _column(column, tests=_tests(column, len(key)))


def _column(column: Column, tests: str) -> Iterator[str]:
    yield f"          - name: {_text(column.name)}"
    yield f"            description: {_text(column.description)}"
    yield f"            data_type: {_text(column.type)}"
    if column.name != column.name.lower() or not column.name.isidentifier():
        yield "            quote: true"
    if tests:
        yield f"            data_tests: {tests}"


def _tests(column: Column, key_columns: int) -> str:
    if not column.key:
        return ""
    return "[unique, not_null]" if key_columns == 1 else "[not_null]"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    """Quote a string so that neither YAML nor Jinja interprets it."""
    escaped = re.sub(r"(\{[{%#]|[}%#]\})", r"{{ '\1' }}", text)
    return json.dumps(escaped, ensure_ascii=False)


def _hours_without_success() -> int:
    """Return the template's default age from which on a table raises an alarm."""
    [hours] = re.findall(
        r"\n  MaxHoursWithoutSuccess:\n    Type: String\n    Default: '(\d+)'", TEMPLATE.read_text("utf-8")
    )
    return int(hours)
