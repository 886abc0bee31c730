"""The configuration of Singer's two programs: the tap with its catalog, and the target.

The catalog's schema is written by hand, since the tap for DynamoDB cannot discover it. Singer uses JSON's types: a
number is `numeric`, and a value that may be text or a number is text. The target flattens maps.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.items import TABLE
from benchmarks.workload import CASES
from demand_pipeline.tables import ColumnType
from local.postgres import PostgresServer

_SEPARATOR = "__"
_KEYS = [column.attribute for column in CASES.key]
_TYPES: dict[ColumnType, dict[str, Any]] = {
    ColumnType.TEXT: {"type": ["null", "string"]},
    ColumnType.NUMERIC: {"type": ["null", "number"]},
    ColumnType.BIGINT: {"type": ["null", "integer"]},
    ColumnType.BOOLEAN: {"type": ["null", "boolean"]},
    ColumnType.DATE: {"type": ["null", "string"], "format": "date"},
    ColumnType.TIMESTAMPTZ: {"type": ["null", "string", "number"]},  # both occur
    ColumnType.TEXT_ARRAY: {"type": ["null", "array"], "items": {"type": ["null", "string"]}},
    ColumnType.JSONB: {"type": ["null", "array"], "items": {"type": ["null", "object"]}},
    ColumnType.BYTEA: {"type": ["null", "string"]},
}


def write(folder: Path, server: PostgresServer) -> None:
    """Write `tap.json`, `catalog.json` and `target.json` into the folder."""
    selected = {"selected": True, "replication-method": "FULL_TABLE", "table-key-properties": _KEYS}
    stream: dict[str, Any] = {"table_name": TABLE, "stream": TABLE, "tap_stream_id": TABLE, "schema": _schema()}
    stream["metadata"] = [{"breadcrumb": [], "metadata": selected}]
    tap = {"account_id": "111111111111", "external_id": "x", "role_name": "x", "region_name": "eu-west-1"}
    target = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
        "ssl_enable": True,
        "ssl_mode": "verify-full",
        "ssl_certificate_authority": str(server.ca_path),
        "default_target_schema": "public",
        "use_copy": True,
        "batch_size_rows": 10_000,
        "activate_version": False,  # the table is new, so no old rows have to be deleted
        "add_record_metadata": False,
        "validate_records": False,
        "flattening_enabled": True,
        "flattening_max_depth": 3,
        "flattening_separator": _SEPARATOR,
    }
    (folder / "tap.json").write_text(json.dumps(tap | {"use_local_dynamo": "true"}))
    (folder / "catalog.json").write_text(json.dumps({"streams": [stream]}))
    (folder / "target.json").write_text(json.dumps(target))


def schema_message() -> bytes:
    """Return the message that makes a target create its table before any record."""
    message = {"type": "SCHEMA", "stream": TABLE, "schema": _schema(), "key_properties": _KEYS}
    return json.dumps(message).encode() + b"\n"


def column(name: str) -> str:
    """Return the target's name of a column of `cases`."""
    return next(_SEPARATOR.join(map(str, each.path)) for each in CASES.columns if each.name == name)


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for each in CASES.columns:
        *maps, last = each.path
        inner = schema
        for name in maps:
            inner = inner["properties"].setdefault(name, {"type": ["null", "object"], "properties": {}})
        inner["properties"][last] = _TYPES[each.type]
    return schema
