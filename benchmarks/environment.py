"""The test environment, which runs during a block: source, staging bucket, secrets and warehouse."""

import compileall
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import trustme

from benchmarks.dynamodb_server import DynamoDBServer
from benchmarks.s3_server import S3Server
from benchmarks.usage import Usage, run
from local.postgres import PostgresServer

ROOT = Path(__file__).parent.parent
_SECRET = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:warehouse"  # noqa: S105 - a name
_ROOT_SECRET = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:warehouse-root"  # noqa: S105 - a name


@dataclass(frozen=True)
class Environment:
    """The servers, and how to run this project's functions against them."""

    dynamodb: DynamoDBServer
    s3: S3Server
    postgres: PostgresServer
    folder: Path
    authority: Path | None = None

    @property
    def servers(self) -> dict[str, int]:
        """The servers' pids by name, for `usage.watched`."""
        return {"dynamodb": self.dynamodb.pid, "s3": self.s3.pid, "postgres": self.postgres.process.pid}

    def aws_variables(self) -> dict[str, str]:
        """Return the variables that direct any AWS client to the servers."""
        return {
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.dynamodb.url,  # DynamoDB and Secrets Manager
            "AWS_ENDPOINT_URL_S3": self.s3.url,
            **({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {}),
        }

    def variables(self) -> dict[str, str]:
        """Return the environment of a deployed function, with tracing enabled."""
        return self.aws_variables() | {
            "PYTHONPATH": f"{ROOT / 'layers' / 'shared'}:{ROOT}",
            "LAMBDA_TASK_ROOT": str(ROOT),
            "_X_AMZN_TRACE_ID": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=1",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "STAGING_BUCKET": "staging",
            "STACK_NAME": "benchmark",
            "POSTGRES_HOST": self.postgres.host,
            "POSTGRES_PORT": str(self.postgres.port),
            "POSTGRES_DATABASE": self.postgres.database,
            "POSTGRES_SCHEMA": "public",
            "POSTGRES_SECRET_ARN": _SECRET,
            "POSTGRES_TLS_ROOT_SECRET_ARN": _ROOT_SECRET,
        }

    def invoke(self, function: str, event: dict[str, Any]) -> tuple[Usage, dict[str, Any]]:
        """Run one handler in a separate process; return its usage and its answer."""
        return self.run_python(["benchmarks.run_function", function], event)

    def run_python(self, module: list[str], given: Any) -> tuple[Usage, dict[str, Any]]:
        """Run a module with its arguments, an input file and an output file, both JSON."""
        source, target = self.folder / "input.json", self.folder / "output.json"
        source.write_text(json.dumps(given))
        usage = run([sys.executable, "-m", *module, str(source), str(target)], self.variables())
        return usage, json.loads(target.read_text())

    def with_database(self, name: str) -> Self:
        """Return the same servers with a new database, which confines the changes of a swap to tables."""
        self.postgres.execute(f'CREATE DATABASE "{name}" OWNER {self.postgres.user}', admin=True, database="postgres")
        return replace(self, postgres=replace(self.postgres, database=name))

    def checkpoint(self) -> None:
        """Make PostgreSQL write its pending changes, so that no turn pays for the previous one."""
        self.postgres.execute("CHECKPOINT", admin=True)

    def empty(self) -> None:
        """Drop every table, so that the next run starts like the first."""
        self.postgres.execute("DROP OWNED BY CURRENT_USER; CREATE SCHEMA IF NOT EXISTS public")


@contextlib.contextmanager
def environment(
    *, items: int, latency_ms: float = 0, postgres: PostgresServer | None = None, s3_tls: bool = False
) -> Iterator[Environment]:
    """Start everything, including PostgreSQL unless it is given; stop it when the block ends.

    `s3_tls`: use TLS for S3, as on AWS, if it affects the figure: botocore then sends a part differently.
    """
    for code in ("layers/shared", "benchmarks"):  # the deployed layer contains bytecode too
        compileall.compile_dir(ROOT / code, quiet=1)
    with contextlib.ExitStack() as stack:
        if postgres is None:
            postgres = stack.enter_context(PostgresServer.temporary())
            # Autovacuum of one turn's rows would slow down the next turn.
            postgres.execute("ALTER SYSTEM SET autovacuum = off", admin=True)
            postgres.execute("SELECT pg_reload_conf()", admin=True)
        login = json.dumps({"username": postgres.user, "password": postgres.password})
        secrets = {_SECRET: login, _ROOT_SECRET: postgres.ca_pem}
        dynamodb = stack.enter_context(DynamoDBServer(items=items, latency_ms=latency_ms, secrets=secrets))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = certificate = None
        if s3_tls:
            authority, certificate = make_certificate(folder)
        s3 = stack.enter_context(S3Server(certificate))
        yield Environment(dynamodb, s3, postgres, folder, authority)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Create a certificate for 127.0.0.1; return the file of its authority, and the file of certificate and key."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "authority.pem", folder / "server.pem"
