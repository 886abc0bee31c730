"""dbt reads the generated sources: it parses them, runs the tests of the keys, and computes how fresh each table is."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.s3.staging import Staging
from tests.support.runs import EVERYTHING, Runs, run_at
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECT = """
name: downstream
version: "1.0"
profile: warehouse
vars: {demand_pipeline_schema: warehouse}
flags: {send_anonymous_usage_stats: false, warn_error_options: {error: all}}
"""


class Dbt:
    """A dbt project whose only model file is the generated one."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        self.folder = folder
        server = warehouse.server
        (folder / "models").mkdir()
        (folder / "models" / "sources.yml").write_bytes((ROOT / "dbt" / "sources.yml").read_bytes())
        (folder / "dbt_project.yml").write_text(PROJECT)
        (folder / "root.pem").write_text(server.ca_pem)
        login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
        tls = {"sslmode": "verify-full", "sslrootcert": str(folder / "root.pem")}
        target = {"type": "postgres", "dbname": warehouse.settings.database, "schema": "downstream", **login, **tls}
        profiles = {"warehouse": {"target": "test", "outputs": {"test": target}}}
        (folder / "profiles.yml").write_text(json.dumps(profiles))

    def __call__(self, *words: str) -> int:
        """Run a command, for whose errors and warnings the test fails if they are not the data's."""
        command = [str(ROOT / ".venv-dbt" / "bin" / "dbt"), *words, "--profiles-dir", ".", "--no-version-check"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert "Encountered an error" not in done.stdout, done.stdout
        return done.returncode

    def result(self, file: str) -> dict[str, Any]:
        found = json.loads((self.folder / "target" / file).read_text())["results"]
        return {result["unique_id"]: result["status"] for result in found}


@pytest.fixture
def dbt(tmp_path: Path, staging: Staging, warehouse: Warehouse) -> Dbt:
    """A project over the tables of one run, one of which is empty."""
    Runs(staging, warehouse, strategy=Strategy.TRUNCATE).load(run_at(1), EVERYTHING)
    return Dbt(tmp_path, warehouse)


def test_the_sources_are_parsed_without_a_warning_and_fresh_also_where_a_table_is_empty(
    dbt: Dbt, warehouse: Warehouse
) -> None:
    assert dbt("parse") == 0
    assert dbt("source", "freshness") == 0
    fresh = {f"source.downstream.demand_pipeline.{table}": "pass" for table in TABLES}
    assert dbt.result("sources.json") == fresh
    warehouse.sql("UPDATE warehouse.pipeline_runs SET committed_at = committed_at - interval '3 days'")
    assert dbt("source", "freshness") == 1
    assert dbt.result("sources.json") == dict.fromkeys(fresh, "error")


def test_the_keys_are_tested(dbt: Dbt, warehouse: Warehouse) -> None:
    assert dbt("test") == 0
    keys = sum(len(table.key) for table in TABLES.values())
    assert len(dbt.result("run_results.json")) == keys + len(TABLES)
    for table in TABLES.values():
        warehouse.sql(f"ALTER TABLE warehouse.{table.name} DROP CONSTRAINT {table.name}_pkey")
        if table.name != "audit":  # it is empty
            warehouse.sql(f"INSERT INTO warehouse.{table.name} SELECT * FROM warehouse.{table.name}")  # noqa: S608
    assert dbt("test") == 1
    failed = [name for name, status in dbt.result("run_results.json").items() if status == "fail"]
    assert len(failed) == len(TABLES) - 1
    assert all(".source_unique_" in name for name in failed)
