"""Calling a function as Lambda would, and looking at what it wrote."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from demand_pipeline.s3.staging import Staging
from demand_pipeline.tables import Table
from tests.support.aws import BUCKET
from tests.support.functions import Context, handler

type Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def invoke(aws: None, context: Context) -> Invoke:
    """Run a function's handler: JSON in, JSON out."""

    def run(function: str, event: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(json.dumps(handler(function)(json.loads(json.dumps(event)), context)))
        return result

    return run


def put(staging: Staging, key: str, lines: list[bytes], table: Table | None = None) -> None:
    with staging.create(key, table) as stream:
        stream.writelines(lines)


def read(staging: Staging, key: str) -> list[bytes]:
    return list(staging.lines(key))


def keys(prefix: str = "") -> list[str]:
    answer = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in answer.get("Contents", [])]
