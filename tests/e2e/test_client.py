"""The view of an external client with `.local/env`, the data contract and the AWS API."""

import ssl
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from demand_pipeline.builders import TABLES
from local import seed
from local.stack import Stack
from tests.e2e.conftest import Client, Refresh

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.usefixtures("empty_tables")]

NAMES = """
AWS_ENDPOINT_URL AWS_REGION AWS_DEFAULT_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY STATE_MACHINE_ARN STAGING_BUCKET
DEMAND_STACK DEMAND_REGION
PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE PGSSLROOTCERT
"""
type Put = Callable[[str, dict[str, Any]], object]

DIGITS = "12345678901234567890.123456789012345678"


@pytest.fixture
def warehouse(exported: Mapping[str, str]) -> Iterator[pg8000.native.Connection]:
    connection = pg8000.native.Connection(
        user=exported["PGUSER"],
        password=exported["PGPASSWORD"],
        host=exported["PGHOST"],
        port=int(exported["PGPORT"]),
        database=exported["PGDATABASE"],
        ssl_context=ssl.create_default_context(cafile=exported["PGSSLROOTCERT"]),
    )
    yield connection
    connection.close()


@pytest.fixture
def put(client: Client, exported: Mapping[str, str]) -> Put:
    """Write an item into a source table."""
    dynamodb = client("dynamodb")
    return lambda source, item: dynamodb.put_item(TableName=exported[f"{source.upper()}_TABLE"], Item=item)


def rows(warehouse: pg8000.native.Connection, table: str) -> list[dict[str, Any]]:
    """Every row without its nulls, its columns as PostgreSQL writes them."""
    attributes = f"FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped"
    names = [name for (name,) in warehouse.run(f"SELECT attname {attributes} ORDER BY attnum")]
    columns = ", ".join(f'"{name}"::text' for name in names)
    found = warehouse.run(f'SELECT {columns} FROM "{table}" ORDER BY 1, 2')  # noqa: S608 - names of our own
    return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in found]


def test_the_exported_environment_is_private_and_complete(stack: Stack, exported: Mapping[str, str]) -> None:
    assert stat.S_IMODE((stack.folder / "env").stat().st_mode) == 0o600
    assert exported.keys() - {"PWD", "PATH", "_", "SHLVL", "OLDPWD", "NO_PROXY", "no_proxy"} == {
        *NAMES.split(),
        *map(seed.variable_name, TABLES.values()),
    }
    assert Path(exported["PGSSLROOTCERT"]).read_text() == stack.postgres.ca_pem


def test_items_of_an_outside_client_arrive_exactly(
    put: Put, refresh: Refresh, warehouse: pg8000.native.Connection
) -> None:
    document = {
        "documentId": {"S": "mine-1"},
        "amounts": {"M": {"net": {"N": DIGITS}, "tax": {"S": "-0.50"}, "discount": {"N": DIGITS}}},
        "parties": {"M": {"supplier": {"M": {"name": {"S": "Žluťoučký kůň, s.r.o."}}}}},
        "issueDate": {"S": "2026-02-28"},
        "receivedAt": {"N": "1775025000123.9"},
        "isDuplicate": {"S": "TRUE"},
        "tags": {"SS": ["b", "a", "ä"]},
        "lineItems": {"L": [{"M": {"qty": {"N": DIGITS}, "note": {"S": 'say "hi"\n'}}}, {"NULL": True}]},
        "contentHash": {"B": b"\x00\xff"},
        "pageCount": {"N": "1E+1"},
        "currency": {"NULL": True},
        "colour": {"S": "green"},
    }
    put("documents", document)
    put("documents", {"documentId": {"S": "mine-2"}, "status": {"S": "null\0byte"}})
    extracted = {"documentId": {"S": "mine-1"}, "fieldName": {"S": "total"}, "value": {"NS": ["10", "9"]}}
    put("metadata", extracted)
    template = {"templateId": {"S": "t"}, "version": {"N": "2"}, "keywords": {"L": [{"S": "x,y"}, {"NULL": True}]}}
    put("templates", template)
    put("templates", {**template, "version": {"N": "10"}})
    entry = {"auditId": {"S": "a"}, "occurredAt": {"S": "2026-04-01T08:00:00+02:00"}, "newValues": {"BOOL": False}}
    put("audit", entry)

    run = refresh({})

    assert run["status"] == "SUCCEEDED"
    counted = {
        table["table"]: (table["scanned"], table["loaded"], table["sanitized"]) for table in run["output"]["tables"]
    }
    four = {"cases": (2, 2, 1), "metadata": (1, 1, 0), "templates": (2, 2, 0), "audit": (1, 1, 0)}
    assert counted == dict.fromkeys(TABLES, (0, 0, 0)) | four
    assert rows(warehouse, "cases") == [
        {
            "document_id": "mine-1",
            "net_amount": DIGITS,
            "tax_amount": "-0.50",
            "supplier_name": "Žluťoučký kůň, s.r.o.",
            "issue_date": "2026-02-28",
            "received_at": "2026-04-01 06:30:00.1239+00",
            "is_duplicate": "true",
            "tags": "{a,b,ä}",
            "line_items": f'[{{"qty": {DIGITS}, "note": "say \\"hi\\"\\n"}}, null]',
            "content_hash": r"\x00ff",
            "page_count": "10",
            "extra": f'{{"colour": "green", "amounts": {{"discount": {DIGITS}}}}}',
        },
        {"document_id": "mine-2", "status": "null\N{REPLACEMENT CHARACTER}byte"},
    ]
    assert rows(warehouse, "metadata") == [{"document_id": "mine-1", "field_name": "total", "field_value": "[9, 10]"}]
    assert rows(warehouse, "templates") == [
        {"template_id": "t", "version": version, "keywords": '{"x,y",NULL}'} for version in ("10", "2")
    ]
    assert rows(warehouse, "audit") == [
        {"audit_id": "a", "occurred_at": "2026-04-01 06:00:00+00", "new_values": "false"}
    ]


def test_a_run_of_some_tables_leaves_the_others_and_a_dry_run_leaves_all(
    put: Put, refresh: Refresh, warehouse: pg8000.native.Connection
) -> None:
    for name in ("before", "after"):
        put("audit", {"auditId": {"S": name}})
        put("documents", {"documentId": {"S": name}})
        if name == "before":
            assert refresh({"tables": ["audit", "cases"]})["status"] == "SUCCEEDED"

    dry = refresh({"dryRun": True, "maxItems": 1})
    assert dry["status"] == "SUCCEEDED"
    assert dry["output"]["committed"] is False
    assert {table["table"]: table["scanned"] for table in dry["output"]["tables"]}["audit"] == 1
    assert [row["audit_id"] for row in rows(warehouse, "audit")] == ["before"]

    one = refresh({"tables": ["audit"]})
    assert [table["table"] for table in one["output"]["tables"]] == ["audit"]
    assert [row["audit_id"] for row in rows(warehouse, "audit")] == ["after", "before"]
    assert [row["document_id"] for row in rows(warehouse, "cases")] == ["before"]


def test_a_misspelt_input_field_is_refused_by_name(refresh: Refresh) -> None:
    run = refresh({"dryrun": True})
    assert (run["status"], run["error"]) == ("FAILED", "InvalidInput")
    assert "dryrun" in run["cause"]


def test_too_many_rejects_fail_the_run_and_leave_the_warehouse_as_it_was(
    put: Put, refresh: Refresh, warehouse: pg8000.native.Connection
) -> None:
    put("documents", {"documentId": {"S": "good"}})
    assert refresh({"tables": ["cases"]})["status"] == "SUCCEEDED"
    bad = {"documentId": {"S": "bad"}, "issueDate": {"S": "31/12/2026"}}
    put("documents", bad)

    refused = refresh({"tables": ["cases"]})
    assert (refused["status"], refused["error"]) == ("FAILED", "RejectLimitError")
    assert [row["document_id"] for row in rows(warehouse, "cases")] == ["good"]

    assert refresh({"tables": ["cases"], "maxRejectPercent": 50})["status"] == "SUCCEEDED"
    rejected = warehouse.run("SELECT item_key::text, reason FROM rejected_items WHERE table_name = 'cases'")
    assert rejected == [['{"documentId": "bad"}', "issue_date: expected date, got S '31/12/2026'"]]
