"""What many tests stand on: AWS in-process, and a real PostgreSQL server whose database is new to every test."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models import dynamo_type

from demand_pipeline import clients
from demand_pipeline.deadline import Deadline
from demand_pipeline.postgres import credentials
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings
from local.postgres import PostgresServer

BUCKET = "staging"
UNLIMITED = Deadline(lambda: 900_000)
STACK = "demand-pipeline-test"

# A fifth of the time that a new database takes.
AS_NEW = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    ALTER DATABASE "{database}" OWNER TO {owner};
    ALTER DATABASE "{database}" RESET ALL;
    GRANT ALL ON DATABASE "{database}" TO {owner};
    GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO PUBLIC;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$' LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', name);
        END LOOP;
    END $$;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
"""


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
def context() -> Context:
    return Context()


def _is_within_segment(item: dynamo_type.Item, segments: tuple[int, int]) -> bool:
    """Tell which segment a binary key is in; moto knows this of others only."""
    key = item.hash_key.value
    if isinstance(key, bytes):
        return hashlib.sha256(key).digest()[0] % segments[1] == segments[0]
    return _IS_WITHIN_SEGMENT(item, segments)


_IS_WITHIN_SEGMENT = dynamo_type.Item.is_within_segment


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS of one test, with the staging bucket; nothing of it reaches the network."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("STAGING_BUCKET", BUCKET)
    monkeypatch.setenv("STACK_NAME", STACK)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(dynamo_type.Item, "is_within_segment", _is_within_segment)
    with mock_aws():
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto_session())
        credentials.secrets.cache_clear()
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield


@cache
def boto_session() -> boto3.Session:
    """One for all tests: it keeps the service models, which take longer to read than most tests to run."""
    return boto3.Session()


@pytest.fixture
def staging(aws: None) -> Staging:
    return Staging(BUCKET, clients.client("s3", UNLIMITED))


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """One server for all tests of a process."""
    with PostgresServer.temporary() as server:
        yield server


@dataclass
class Warehouse:
    """An empty database, and the settings and secrets to reach it as the role `pipeline`, which owns it."""

    server: PostgresServer
    settings: PostgresSettings

    def sql(self, text: str) -> str:
        """Run SQL as the superuser through psql, a client that shares no code with ours."""
        return self.server.execute(text, admin=True, database=self.settings.database)

    def put_secret(self, user: str, password: str) -> None:
        """Change what Secrets Manager holds."""
        value = json.dumps({"username": user, "password": password})
        boto3.client("secretsmanager").put_secret_value(SecretId=self.settings.secret, SecretString=value)

    def sessions(self) -> int:
        """How many sessions of the pipeline are open in the database."""
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE"
        return int(self.sql(f"{count} 'demand-pipeline %'"))

    def at(self, **changes: object) -> PostgresSettings:
        """The settings with something else in them."""
        return replace(self.settings, **changes)  # type: ignore[arg-type]


@pytest.fixture
def warehouse(aws: None, server: PostgresServer) -> Iterator[Warehouse]:
    manager = boto3.client("secretsmanager")
    login = json.dumps({"username": server.user, "password": server.password})
    settings = PostgresSettings(
        host=server.host,
        port=server.port,
        database=server.database,
        schema="warehouse",
        secret=manager.create_secret(Name="login", SecretString=login)["ARN"],
        tls_root_secret=manager.create_secret(Name="root", SecretString=server.ca_pem)["ARN"],
    )
    warehouse = Warehouse(server, settings)
    yield warehouse
    warehouse.sql(AS_NEW.format(database=server.database, owner=server.user))


@pytest.fixture
def environment(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warehouse, as the load finds it in its environment."""
    settings = warehouse.settings
    for name, value in {
        "POSTGRES_HOST": settings.host,
        "POSTGRES_PORT": str(settings.port),
        "POSTGRES_DATABASE": settings.database,
        "POSTGRES_SCHEMA": settings.schema,
        "POSTGRES_SECRET_ARN": settings.secret,
        "POSTGRES_TLS_ROOT_SECRET_ARN": settings.tls_root_secret,
    }.items():
        monkeypatch.setenv(name, value)
