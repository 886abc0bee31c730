"""Everything that the functions reach, started for a block: source, staging bucket, secrets and warehouse."""

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dynamodb_endpoint import ARN, DynamoDBEndpoint
from benchmarks.process import Usage, run
from benchmarks.s3_endpoint import S3Endpoint
from benchmarks.workload import CASES
from local.postgres import PostgresServer

ROOT = Path(__file__).parent.parent
CHUNK_BYTES = 256 << 20  # the state machine's own
_SECRET = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:warehouse"  # noqa: S105 - a name
_ROOT_SECRET = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:warehouse-root"  # noqa: S105 - a name


@dataclass(frozen=True)
class Stand:
    """The servers, and how to run this project's functions against them."""

    dynamodb: DynamoDBEndpoint
    s3: S3Endpoint
    postgres: PostgresServer
    folder: Path

    @property
    def servers(self) -> dict[str, int]:
        """Their pids by name, for `process.watched`."""
        return {"dynamodb": self.dynamodb.pid, "s3": self.s3.pid, "postgres": self.postgres.process.pid}

    def aws_environment(self) -> dict[str, str]:
        """What any AWS client needs to find the endpoints."""
        return {
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.dynamodb.url,  # DynamoDB and Secrets Manager
            "AWS_ENDPOINT_URL_S3": self.s3.url,
        }

    def environment(self) -> dict[str, str]:
        """What a deployed function has in its environment, tracing switched on."""
        return self.aws_environment() | {
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
        """Run one handler in a process of its own: what it took, and its answer."""
        return self._run(["invoke", function], event)

    def refresh(
        self, *, segments: int = 1, processes: int = 1, strategy: str = "truncate"
    ) -> tuple[Usage, dict[str, Any]]:
        """Run a refresh of `cases`, scan to load, in one process with or without children; the same."""
        plan = {"table": CASES.name, "source": ARN, "chunkBytes": CHUNK_BYTES, "strategy": strategy}
        return self._run(["refresh"], plan | {"segments": segments, "processes": processes})

    def empty(self) -> None:
        """Drop every table, so that the next run starts as the first did."""
        self.postgres.execute("DROP OWNED BY CURRENT_USER; CREATE SCHEMA IF NOT EXISTS public")

    def _run(self, mode: Sequence[str], given: dict[str, Any]) -> tuple[Usage, dict[str, Any]]:
        event, answer = self.folder / "event.json", self.folder / "answer.json"
        event.write_text(json.dumps(given))
        command = [sys.executable, "-m", "benchmarks.run_function", *mode, str(event), str(answer)]
        usage = run(command, environment=self.environment())
        return usage, json.loads(answer.read_text())


@contextlib.contextmanager
def stand(
    *,
    items: int,
    segments: int | tuple[int, ...] = 1,
    latency_ms: float = 0,
    postgres: PostgresServer | None = None,
) -> Iterator[Stand]:
    """Start everything, PostgreSQL too unless one is given; it is gone when the block ends."""
    with contextlib.ExitStack() as stack:
        dynamodb = stack.enter_context(DynamoDBEndpoint(items=items, segments=segments, latency_ms=latency_ms))
        s3 = stack.enter_context(S3Endpoint())
        postgres = postgres or stack.enter_context(PostgresServer.temporary())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        login = {"username": postgres.user, "password": postgres.password}
        dynamodb.put_secret(_SECRET, json.dumps(login))
        dynamodb.put_secret(_ROOT_SECRET, postgres.ca_pem)
        yield Stand(dynamodb, s3, postgres, folder)
