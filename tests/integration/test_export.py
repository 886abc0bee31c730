"""Exports that take several parts and several calls of the load: whole in the end, whatever happens in between."""

import csv
import gzip
import io
from typing import BinaryIO

import boto3
import moto.s3.models
import pytest
from botocore.exceptions import ClientError

from demand_pipeline.contracts.loading import Again, LoadRequest, LoadResult, Strategy
from demand_pipeline.deadline import RESERVE_SECONDS, Deadline
from demand_pipeline.errors import TransientError
from demand_pipeline.load.copy import export
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.s3 import multipart
from demand_pipeline.s3.multipart import Multipart
from tests.support.aws import BUCKET
from tests.support.runs import Runs, documents, run_at
from tests.support.warehouse import Warehouse

ROWS = 600
KEY = "exports/run-1/cases.csv.gz"


@pytest.fixture
def strategy(request: pytest.FixtureRequest) -> Strategy:
    """Swap: what is exported part by part are tables too large for a function."""
    return getattr(request, "param", Strategy.SWAP)


@pytest.fixture
def request_(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> LoadRequest:
    """A load whose export has many parts of one statement each."""
    staged = runs.request(run_at(1), {"cases": documents(ROWS)}, save_csv=True)
    monkeypatch.setattr(multipart, "PART_BYTES", 1)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr(export, "_STATEMENT_BYTES", 1)
    return staged


class Clock:
    """A function's remaining time, enough for one part."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self) -> int:
        return self.left

    def start(self) -> None:
        self.left = int((RESERVE_SECONDS + 25) * 1000)

    def pass_with_each_part(self, patch: pytest.MonkeyPatch) -> None:
        send = Multipart.send

        def slow(upload: Multipart, number: int, body: BinaryIO) -> str:
            self.left -= 10_000
            return send(upload, number, body)

        patch.setattr(Multipart, "send", slow)


def load(runs: Runs, request: LoadRequest, clock: Clock) -> LoadResult | Again:
    clock.start()
    return load_warehouse(request, runs.warehouse.settings, runs.staging, Deadline(clock))


def parts(warehouse: Warehouse) -> int:
    [ledger] = warehouse.sql("SELECT relname FROM pg_class WHERE relname ~ '^pipeline_ledger_[0-9a-f]+$'").splitlines()
    return int(warehouse.sql(f"SELECT count(export) FROM warehouse_pipeline.{ledger}"))  # noqa: S608


def exported() -> list[str]:
    """The first column of what S3 has."""
    body = boto3.client("s3").get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    return [record[0] for record in csv.reader(io.StringIO(gzip.decompress(body).decode(), newline=""))]


def assert_whole(warehouse: Warehouse) -> None:
    header, *keys = exported()
    assert header == "document_id"
    assert sorted(keys) == sorted(warehouse.sql("SELECT document_id FROM warehouse.cases").splitlines())
    assert len(keys) == ROWS


@pytest.mark.parametrize("strategy", [Strategy.TRUNCATE, Strategy.SWAP], indirect=True)
def test_an_export_goes_on_where_the_call_before_it_ended(
    runs: Runs, warehouse: Warehouse, request_: LoadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, calls = Clock(), [0]
    clock.pass_with_each_part(monkeypatch)
    while isinstance(load(runs, request_, clock), Again):
        calls.append(parts(warehouse))
    assert len(calls) > 3
    assert calls == sorted(calls)
    assert_whole(warehouse)
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.parametrize("trouble", ["sent, not recorded", "completed, not recorded", "upload removed"])
def test_an_export_is_whole_after_trouble(
    runs: Runs, warehouse: Warehouse, request_: LoadRequest, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    cut_off(monkeypatch, trouble)
    clock, errors = Clock(), 0
    while not isinstance(outcome(runs, request_, clock), LoadResult):
        errors += 1
        assert errors < 5
    assert errors == {"sent, not recorded": 1, "completed, not recorded": 2, "upload removed": 1}[trouble]
    assert_whole(warehouse)


def outcome(runs: Runs, request: LoadRequest, clock: Clock) -> LoadResult | Again | TransientError:
    try:
        return load(runs, request, clock)
    except TransientError as error:
        return error


def cut_off(patch: pytest.MonkeyPatch, trouble: str) -> None:
    """Fail once, as the trouble has it; moto does not know S3's answer about an upload that is over."""
    send, complete, sent, over = Multipart.send, Multipart.complete, list[int](), set[str]()

    def failing_send(upload: Multipart, number: int, body: BinaryIO) -> str:
        if upload.id in over:
            raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "UploadPart")
        tag = send(upload, number, body)
        sent.append(number)
        if len(sent) == 3 and trouble == "upload removed":
            over.add(upload.id)
        if len(sent) == 3 and trouble == "sent, not recorded":
            raise TransientError("the answer was lost")
        return tag

    def failing_complete(upload: Multipart, tags: list[str]) -> None:
        complete(upload, tags)
        if trouble == "completed, not recorded" and not over:
            over.add(upload.id)
            raise TransientError("the answer was lost")

    patch.setattr(Multipart, "send", failing_send)
    patch.setattr(Multipart, "complete", failing_complete)
