"""Common fixtures: AWS in-process, and a real PostgreSQL server with a new database for every test."""

from collections.abc import Iterator
from functools import cache
from unittest import mock

import boto3
import botocore.session
import pytest

from demand_pipeline import clients
from demand_pipeline.postgres import credentials
from demand_pipeline.s3.staging import Staging
from local.postgres import PostgresServer
from tests.support.aws import BUCKET, VARIABLES, aws_in_process, boto_session, create_staging_bucket
from tests.support.functions import UNLIMITED, Context
from tests.support.warehouse import Warehouse, reset, settings_for, variables


@pytest.fixture(scope="session", autouse=True)
def models() -> Iterator[None]:
    """boto3's sessions share the service models, which take longer to read than most tests to run."""
    with mock.patch.object(botocore.session, "create_loader", cache(botocore.session.create_loader)):
        yield


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS of one test, with the staging bucket; nothing of it reaches the network."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with aws_in_process():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto_session())
        credentials.secrets.cache_clear()
        create_staging_bucket()
        yield


@pytest.fixture
def staging(aws: None) -> Staging:
    return Staging(BUCKET, clients.client("s3", UNLIMITED))


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """One server for all tests of a process."""
    with PostgresServer.temporary() as server:
        yield server


@pytest.fixture
def warehouse(aws: None, server: PostgresServer) -> Iterator[Warehouse]:
    yield Warehouse(server, settings_for(server))
    reset(server)


@pytest.fixture
def environment(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse, as the load finds it in its environment."""
    for name, value in variables(warehouse.settings).items():
        monkeypatch.setenv(name, value)
