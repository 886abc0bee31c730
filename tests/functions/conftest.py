"""The functions' own surroundings: AWS in-process, one bucket, and Lambda's context."""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto import mock_aws

from demand_pipeline.staging import Staging

BUCKET = "staging"

type Invoke = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass
class Context:
    """What the functions use of Lambda's context."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    aws_request_id: str = "request"
    milliseconds: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("STAGING_BUCKET", BUCKET)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield


@pytest.fixture
def staging(aws: None) -> Staging:
    return Staging(BUCKET)


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def invoke(aws: None, context: Context) -> Invoke:
    """Run a function's handler as Lambda would: JSON in, JSON out."""

    def run(function: str, event: dict[str, Any]) -> dict[str, Any]:
        handler = importlib.import_module(f"functions.{function}.app").lambda_handler
        result: dict[str, Any] = json.loads(json.dumps(handler(json.loads(json.dumps(event)), context)))
        return result

    return run


def put(staging: Staging, key: str, lines: list[bytes]) -> None:
    with staging.create(key) as stream:
        stream.writelines(lines)


def read(staging: Staging, key: str) -> list[bytes]:
    return list(staging.lines(key))


def keys(prefix: str = "") -> list[str]:
    answer = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [entry["Key"] for entry in answer.get("Contents", [])]
