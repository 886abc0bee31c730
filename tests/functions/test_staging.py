"""Chunks are streamed to S3 whole or not at all, and only whole ones are read."""

import gzip
import io
import secrets

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, ReadTimeoutError
from botocore.response import StreamingBody
from isal import igzip

from demand_pipeline import clients
from demand_pipeline.builders.audit_builder import AUDIT
from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.errors import StagingError, TransientError
from demand_pipeline.s3 import gzip_format
from demand_pipeline.s3.multipart import PART_BYTES
from demand_pipeline.s3.staging import ChunkKind, Staging, chunk_key, rejects_key
from demand_pipeline.s3.upload import Upload
from tests.functions.conftest import keys, put, read
from tests.support.aws import BUCKET
from tests.support.runs import run_at

WITH_AND_WITHOUT = [igzip.IGzipFile, gzip.GzipFile]
BOTH = pytest.mark.parametrize("gzip_file", WITH_AND_WITHOUT, ids=["isal", "standard library"], indirect=True)
RUN = run_at(1)


@pytest.fixture
def gzip_file(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_format, "GzipFile", request.param)


@pytest.mark.parametrize("written_by", WITH_AND_WITHOUT)
@pytest.mark.parametrize("read_by", WITH_AND_WITHOUT)
def test_isal_and_the_standard_library_read_each_others_objects(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, written_by: object, read_by: object
) -> None:
    monkeypatch.setattr(gzip_format, "GzipFile", written_by)
    put(staging, "k", [b"one\n", secrets.token_bytes(PART_BYTES).replace(b"\n", b"") + b"\n"])
    monkeypatch.setattr(gzip_format, "GzipFile", read_by)
    assert [len(line) > 3 for line in read(staging, "k")] == [False, True]


@BOTH
@pytest.mark.usefixtures("gzip_file")
def test_what_was_written_is_read(staging: Staging) -> None:
    put(staging, "k", [b"one\n", b"\n", b"two\n", b"no end"])
    assert read(staging, "k") == [b"one", b"", b"two", b"no end"]


def test_an_object_larger_than_a_part_is_sent_in_parts(staging: Staging) -> None:
    line = secrets.token_bytes(PART_BYTES // 2).replace(b"\n", b"")  # random: it must not compress away
    put(staging, "k", [line + b"\n"] * 5)
    assert boto3.client("s3").head_object(Bucket=BUCKET, Key="k", PartNumber=1)["PartsCount"] > 1
    assert read(staging, "k") == [line] * 5


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ([PART_BYTES - 1], []),
        ([PART_BYTES], [PART_BYTES]),
        ([PART_BYTES - 1, 1], [PART_BYTES]),
        ([PART_BYTES + 1, 1], [PART_BYTES + 1, 1]),
        ([1, 2 * PART_BYTES], [2 * PART_BYTES + 1]),
    ],
)
def test_a_part_is_sent_as_soon_as_it_is_large_enough(aws: None, written: list[int], parts: list[int]) -> None:
    s3, sent = boto3.client("s3"), list[int]()
    s3.meta.events.register(
        "before-parameter-build.s3.UploadPart", lambda params, **_: sent.append(len(params["Body"].getvalue()))
    )
    with Upload(s3, BUCKET, "k", {}) as upload:
        for size in written:
            assert upload.write(bytes(size)) == size
        assert sent == [size for size in parts if size >= PART_BYTES]
        upload.complete()
    assert sent == parts
    assert s3.head_object(Bucket=BUCKET, Key="k")["ContentLength"] == sum(written)


@pytest.mark.parametrize("size", [1, PART_BYTES + 1], ids=["one request", "in parts"])
def test_rows_are_read_for_the_columns_they_were_written_for_alone(staging: Staging, size: int) -> None:
    with staging.create("k", CASES) as stream:
        stream.write(secrets.token_bytes(size))
    with staging.open("k", CASES) as stream:
        assert len(stream.read()) == size
    with (
        pytest.raises(StagingError, match=r"^k: staged for different columns of audit than those"),
        staging.open("k", AUDIT),
    ):
        pass


def test_an_error_while_writing_leaves_neither_object_nor_upload(staging: Staging) -> None:
    with pytest.raises(ZeroDivisionError), staging.create("k") as stream:
        stream.write(secrets.token_bytes(3 * PART_BYTES))
        raise ZeroDivisionError
    assert keys() == []
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)


def test_a_missing_object_is_a_staging_error(staging: Staging) -> None:
    with pytest.raises(StagingError, match="k: the bucket staging contains no such object"):
        read(staging, "k")


@BOTH
@pytest.mark.usefixtures("gzip_file")
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda data: data[:20],
        lambda data: b"x" + data,
        lambda data: data[:100] + b"xxxxxxxx" + data[108:],
    ],
    ids=["no end", "hardly begun", "no gzip", "damaged inside"],
)
def test_an_object_cut_short_or_damaged_is_a_staging_error(staging: Staging, damage: object) -> None:
    put(staging, "k", [b"%d\n" % n for n in range(1000)])
    s3 = boto3.client("s3")
    data = s3.get_object(Bucket=BUCKET, Key="k")["Body"].read()
    s3.put_object(Bucket=BUCKET, Key="k", Body=damage(data))  # type: ignore[operator]
    with pytest.raises(StagingError, match="k: the gzip stream is truncated or damaged"):
        read(staging, "k")


@BOTH
def test_a_transfer_that_breaks_off_is_transient(
    staging: Staging, gzip_file: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(staging, "k", [b"%d\n" % n for n in range(1000)])
    answer = staging.s3.get_object(Bucket=BUCKET, Key="k")
    length = answer["ContentLength"]
    answer["Body"] = StreamingBody(io.BytesIO(answer["Body"].read()[: length // 2]), length)
    monkeypatch.setattr(staging.s3, "get_object", lambda **_: answer)
    with pytest.raises(TransientError, match="reading k: IncompleteReadError"):
        read(staging, "k")


def test_two_attempts_at_a_chunk_write_two_objects() -> None:
    first, second = (chunk_key(RUN, ChunkKind.RAW, "cases", 3, 7) for _ in range(2))
    assert first != second
    assert first.startswith("runs/2026-11-23/run-1/raw/cases/3/7-")
    assert rejects_key(chunk_key(RUN, ChunkKind.STAGED, "cases", 3, 7)).startswith(
        "runs/2026-11-23/run-1/rejects/cases/3/7-"
    )


def client_error(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure",
    [
        client_error("SlowDown", 503),
        client_error("ProvisionedThroughputExceededException", 400),
        client_error("NewError", 500),
        EndpointConnectionError(endpoint_url="https://s3"),
        ReadTimeoutError(endpoint_url="https://s3"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_what_may_pass_by_itself_is_transient(failure: Exception) -> None:
    with pytest.raises(TransientError, match="writing k: "), clients.translate_errors("writing k"):
        raise failure


def test_what_needs_a_person_keeps_its_name() -> None:
    with pytest.raises(ClientError, match="AccessDenied"), clients.translate_errors("writing k"):
        raise client_error("AccessDenied", 403)
