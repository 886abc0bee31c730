"""AWS in-process: the environment of a function, the staging bucket, the source tables."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws
from moto.dynamodb.models import dynamo_type

from demand_pipeline.tables import Table
from local.seed import create_table

BUCKET = "staging"
STACK = "demand-pipeline-test"
REGION = "eu-west-1"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "STAGING_BUCKET": BUCKET,
    "STACK_NAME": STACK,
}


@contextmanager
def aws_in_process() -> Iterator[None]:
    """moto, which does not know which segment a binary key is in."""
    others = dynamo_type.Item.is_within_segment

    def is_within_segment(item: dynamo_type.Item, segments: tuple[int, int]) -> bool:
        key = item.hash_key.value
        if isinstance(key, bytes):
            return hashlib.sha256(key).digest()[0] % segments[1] == segments[0]
        return others(item, segments)

    with mock_aws(), mock.patch.object(dynamo_type.Item, "is_within_segment", is_within_segment):
        yield


@cache
def boto_session(*credentials: str) -> boto3.Session:
    """One for all tests: it keeps the service models, which take longer to read than most tests to run."""
    make: Any = boto3.Session
    session: boto3.Session = make(*credentials, region_name=REGION)
    return session


def client(service: str) -> Any:
    """A client with the settings of the test's environment."""
    made: Any = boto3.client
    return made(service)


def create_staging_bucket() -> None:
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def create_source(table: Table, items: Iterable[dict[str, Any]] = (), name: str | None = None) -> None:
    """A table of DynamoDB by its declaration, with items in boto3's spelling."""
    dynamodb: Any = boto3.client("dynamodb")
    source = name or table.source
    create_table(dynamodb, source, table)
    for item in items:
        dynamodb.put_item(TableName=source, Item=item)


def dynamodb_json(value: Any) -> Any:
    """A value of boto3's as DynamoDB sends it: binary as base64 text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: dynamodb_json(member) for name, member in value.items()}
    return [dynamodb_json(member) for member in value] if isinstance(value, list) else value
