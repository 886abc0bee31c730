"""A load in a process of its own that stops at a point and says so: to be killed, or suspended, there.

Its standard input is JSON: the warehouse's settings, the login, the strategy, the point, and the timeouts to run with (none: the
production's).
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
from moto import mock_aws

from demand_pipeline import clients
from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.load import transaction
from demand_pipeline.load.copy import chunks, csv_lines, shadows
from demand_pipeline.load.in_place import merge, truncate
from demand_pipeline.postgres import connection
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings
from tests.support.functions import UNLIMITED
from tests.support.runs import Runs, documents, run_at


def stop_here() -> None:
    """Say that the point is reached, and go no further."""
    os.write(1, b"here\n")
    time.sleep(600)


def stop_at(point: str) -> None:
    """Make the load stop during a COPY, or while it writes to the target, in a COPY or not, when its locks are held."""
    if point == "copy":

        def blocks(_: Any) -> Iterator[bytes]:
            yield b'"a"' + b",null" * 22 + b"\n"
            yield b'"b"' + b",null" * 22 + b"\n"
            stop_here()

        csv_lines.from_staged = blocks  # type: ignore[assignment]
    elif point == "rows":

        def frames(*_: Any) -> Iterator[bytes]:
            yield from ()
            stop_here()

        connection.read_frames = frames  # type: ignore[assignment,attr-defined]
    else:
        for module in (truncate.fill, merge.update):
            setattr(sys.modules[module.__module__], module.__name__, lambda *_: stop_here())


def main() -> None:
    given = json.load(sys.stdin)
    stop_at(given["point"])
    if given["seconds"] is not None:
        chunks._COPY_SECONDS = given["seconds"]
        shadows.Timeouts = lambda statement: Timeouts(statement=statement, idle=given["seconds"])  # type: ignore[assignment,misc,attr-defined]
    with mock_aws():
        manager = boto3.client("secretsmanager")
        login = manager.create_secret(Name="login", SecretString=given["login"])["ARN"]
        root = manager.create_secret(Name="root", SecretString=given["root"])["ARN"]
        boto3.client("s3").create_bucket(
            Bucket="staging", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        staging = Staging("staging", clients.client("s3", UNLIMITED))
        settings = PostgresSettings(**given["settings"], secret=login, tls_root_secret=root)
        runs = Runs(staging, None, strategy=Strategy(given["strategy"]))  # type: ignore[arg-type]
        request = runs.request(run_at(9), {"cases": documents(2)})
        transaction.load_warehouse(request, settings, staging, UNLIMITED)


if __name__ == "__main__":
    main()
