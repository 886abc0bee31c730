"""Rows that were staged before a deployment that changed their columns are never loaded into the new ones."""

import json
from dataclasses import replace

import boto3
import pytest

from demand_pipeline.builders.case_builder import CASES
from demand_pipeline.contracts.loading import StagedChunk
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.errors import StagingError
from demand_pipeline.tables import Column, ColumnType, Table
from demand_pipeline.transform.chunk import transform_chunk
from tests.support.aws import BUCKET
from tests.support.functions import UNLIMITED
from tests.support.runs import Runs, documents, run_at

NET, TAX = CASES.columns[7:9]
SWAPPED = replace(CASES, columns=(*CASES.columns[:7], TAX, NET, *CASES.columns[9:]))
MORE = replace(CASES, columns=(*CASES.columns, Column("more", ColumnType.TEXT, "more", "More.")))


def transformed(runs: Runs) -> StagedChunk:
    """One document, from its raw chunk."""
    amounts = {"M": {"net": {"N": "100"}, "tax": {"N": "19"}}}
    with runs.staging.create("raw") as stream:
        stream.write(json.dumps({"Items": [{"documentId": {"S": "a"}, "amounts": amounts}]}).encode() + b"\n")
    done = transform_chunk(TransformRequest(run_at(2), CASES, 0, 0, "raw", 0, 1), runs.staging, UNLIMITED)
    return StagedChunk(done.key, done.scanned, done.staged, done.rejected, done.sanitized, 1.0, 100)


@pytest.mark.parametrize("deployed", [SWAPPED, MORE], ids=["two columns swapped", "a column more"])
def test_a_redrive_does_not_load_rows_of_other_columns(runs: Runs, deployed: Table) -> None:
    assert (NET.name, TAX.name, NET.type) == ("net_amount", "tax_amount", TAX.type)
    runs.load(run_at(1), {"cases": documents(3)})
    chunk = transformed(runs)
    runs.tables["cases"] = deployed
    expected = f"^{chunk.key}: staged for different columns of cases than those deployed now .* start a new run$"
    with pytest.raises(StagingError, match=expected):
        runs.load(run_at(2), {"cases": [chunk]})
    assert runs.warehouse.sql("SELECT count(*), count(net_amount) FROM warehouse.cases") == "3|0"
    runs.tables["cases"] = CASES
    runs.load(run_at(2), {"cases": [chunk]})
    assert runs.warehouse.sql("SELECT net_amount, tax_amount FROM warehouse.cases") == "100|19"


def test_rows_staged_before_there_were_fingerprints_are_not_loaded(runs: Runs) -> None:
    chunk = transformed(runs)
    s3 = boto3.client("s3")
    body = s3.get_object(Bucket=BUCKET, Key=chunk.key)["Body"].read()
    s3.put_object(Bucket=BUCKET, Key=chunk.key, Body=body)
    with pytest.raises(StagingError, match=r"fingerprint missing, expected [0-9a-f]{16}\); start a new run"):
        runs.load(run_at(2), {"cases": [chunk]})
