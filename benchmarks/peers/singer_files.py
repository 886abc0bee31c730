"""What Singer's two programs are told: the tap's configuration and catalog, the target's configuration.

A catalog's schema is written by hand where the tap finds none, as for DynamoDB: Singer knows JSON's types, so
that a number is `numeric`, and what may be text or a number is text. Maps are flattened by the target.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.items import TABLE
from benchmarks.workload import CASES
from demand_pipeline.tables import Column, ColumnType
from local.postgres import PostgresServer

SEPARATOR = "__"
_FLATTENED_LEVELS = 3
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
    tap = {"account_id": "111111111111", "external_id": "x", "role_name": "x", "region_name": "eu-west-1"}
    documents: dict[str, Any] = {
        "tap.json": tap | {"use_local_dynamo": "true"},
        "catalog.json": {"streams": [_stream()]},
        "target.json": _target(server),
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))


def schema_message() -> bytes:
    """The message with which a target makes its table before there are records."""
    message = {"type": "SCHEMA", "stream": TABLE, "schema": _schema(), "key_properties": _keys()}
    return json.dumps(message).encode() + b"\n"


def _stream() -> dict[str, Any]:
    facts = {"selected": True, "replication-method": "FULL_TABLE", "table-key-properties": _keys()}
    return {
        "table_name": TABLE,
        "stream": TABLE,
        "tap_stream_id": TABLE,
        "schema": _schema(),
        "metadata": [{"breadcrumb": [], "metadata": facts}],
    }


def _target(server: PostgresServer) -> dict[str, Any]:
    return {
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
        "activate_version": False,  # the table is new: no row is to be deleted afterwards
        "add_record_metadata": False,
        "validate_records": False,
        "flattening_enabled": True,
        "flattening_max_depth": _FLATTENED_LEVELS,
        "flattening_separator": SEPARATOR,
    }


def _keys() -> list[str]:
    return [column.attribute for column in CASES.key]


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for column in CASES.columns:
        _put(schema, column)
    return schema


def _put(schema: dict[str, Any], column: Column) -> None:
    *way, last = column.path
    for name in way:
        schema = schema["properties"].setdefault(name, {"type": ["null", "object"], "properties": {}})
    schema["properties"][last] = _TYPES[column.type]
