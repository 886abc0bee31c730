"""Everything that a round runs on: AWS in-process, a real PostgreSQL, the real functions, and their output."""

import contextlib
import functools
import gc
import importlib
import io
import itertools
import json
import logging
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from random import Random
from types import SimpleNamespace
from typing import Any, Self
from unittest import mock

import boto3
import botocore.endpoint
import moto.s3.models
from moto import mock_aws

from demand_pipeline import clients
from demand_pipeline.builders import TABLES
from demand_pipeline.load import copy_csv, locks, truncate
from demand_pipeline.observability import logger
from demand_pipeline.postgres import credentials
from demand_pipeline.s3 import upload
from demand_pipeline.scan import segment
from demand_pipeline.tables import Table, camel_case
from local.postgres import PostgresServer
from local.seed import create_table
from tests.conftest import AS_NEW, BUCKET
from tests.faults import attempts
from tests.faults.database import Strikes, struck_database
from tests.faults.faults import Arsenal
from tests.faults.schedule import Schedule
from tests.faults.source import MARKER, Item, draw_items, key_of, respelt
from tests.faults.tasks import Tasks
from tests.faults.wire import struck_wire
from tests.statemachine.harness import REGION, Context, Handler, Machine

MODULES = {
    "ScanSegment": "scan_segment",
    "LoadWarehouse": "load_warehouse",
    **{f"Transform{camel_case(name)}": "transform" for name in TABLES},
}
SECRET_KEY, SESSION_TOKEN = "secret-key-7f31c0", "session-token-91b2e4"
_NO_SLEEP = SimpleNamespace(sleep=lambda _: None, time=time.time, monotonic=time.monotonic)
_DEADLOCK_TIMEOUT = "40ms"  # less than the load waits for a lock, so that there are deadlocks to be seen


@functools.cache
def _session() -> boto3.Session:
    """One for all rounds: it keeps the service models."""
    return boto3.Session("AKIATEST", SECRET_KEY, SESSION_TOKEN, region_name=REGION)


class _Context(Context):
    """A function's context whose time is what the attempt was given."""

    def get_remaining_time_in_millis(self) -> int:
        return int(attempts.seconds() * 1000)


class Stand(ExitStack):
    """A round's surroundings; leaving it takes everything down, and makes the database as new."""

    def __init__(self, schedule: Schedule, server: PostgresServer) -> None:
        super().__init__()
        self.schedule, self.server = schedule, server
        self.fills = 0
        self.arsenal = Arsenal(schedule.faults)
        self.strikes = Strikes(server, self.arsenal, self._rotate)
        self.tasks = Tasks(self.arsenal, self._stop)
        self.output = io.StringIO()  # all that the functions print or log
        self.errors: list[str] = []  # and their tracebacks, with every error beneath
        self.secrets = {MARKER, SECRET_KEY, SESSION_TOKEN, server.admin_password, server.password}
        self.source: dict[str, dict[str, Item]] = {name: {} for name in TABLES}

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def _set_up(self) -> None:
        self.enter_context(mock_aws())
        self._patch()
        self.enter_context(mock.patch.object(boto3, "DEFAULT_SESSION", _session()))
        boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._manager = boto3.client("secretsmanager")
        login = self._manager.create_secret(Name="login", SecretString=self._login())["ARN"]
        root = self._manager.create_secret(Name="root", SecretString=self.server.ca_pem)["ARN"]
        credentials.secrets.cache_clear()
        environment = {
            "STAGING_BUCKET": BUCKET,
            "STACK_NAME": "demand-pipeline-faults",
            "AWS_DEFAULT_REGION": REGION,
            "POSTGRES_HOST": self.server.host,
            "POSTGRES_PORT": str(self.server.port),
            "POSTGRES_DATABASE": self.server.database,
            "POSTGRES_SCHEMA": "warehouse",
            "POSTGRES_SECRET_ARN": login,
            "POSTGRES_TLS_ROOT_SECRET_ARN": root,
        }
        self.enter_context(mock.patch.dict(os.environ, environment))
        self._make_sources()
        self.sql(f"ALTER DATABASE \"{self.server.database}\" SET deadlock_timeout = '{_DEADLOCK_TIMEOUT}'")
        self.callback(self.sql, AS_NEW.format(database=self.server.database, owner=self.server.user))
        self._capture()
        self.enter_context(struck_wire(self.arsenal, self.schedule.page_items))
        self.enter_context(struck_database(self.strikes))
        settings = {
            "MinSegments": self.schedule.segments,
            "ChunkBytes": self.schedule.chunk_bytes,
            "LoadStrategy": self.schedule.strategy,
        }
        self.machine = self.enter_context(Machine(self._handlers(), around=self.tasks.around, **settings))
        self.callback(self.strikes.heal)
        self.callback(self.tasks.finish)

    def fill(self) -> Mapping[str, list[Item]]:
        """Draw the source tables anew: keys come, stay and go, some as they were. Returns their items."""
        self.fills += 1
        drawn = {name: self._draw(position, table) for position, (name, table) in enumerate(TABLES.items())}
        dynamodb = boto3.client("dynamodb")
        for name, items in drawn.items():
            table = TABLES[name]
            new = {str(key_of(table, item)): item for item in items}
            for key in self.source[name].keys() - new.keys():
                dynamodb.delete_item(TableName=table.source, Key=key_of(table, self.source[name][key]))
            for item in new.values():
                dynamodb.put_item(TableName=table.source, Item=item)
            self.source[name] = new
        return drawn

    def _draw(self, position: int, table: Table) -> list[Item]:
        """A table's new items: of those that were there before, some the same, or the same but for a trailing zero."""
        random = Random(f"{self.schedule.seed} {self.fills} {position}")  # noqa: S311 - a seed, not secrecy
        items = []
        for item in draw_items(random, table, self.schedule.rows):
            before = self.source[table.name].get(str(key_of(table, item)))
            if before is not None:
                item = random.choice((item, before, respelt(table, before)))  # noqa: PLW2901 - one of three
            items.append(item)
        return items

    def heal(self) -> None:
        """What an operator does before a redrive."""
        self.strikes.heal()
        self.tasks.heal()
        self._manager.put_secret_value(SecretId="login", SecretString=self._login())

    def sql(self, text: str) -> str:
        """Run SQL as the superuser."""
        return self.server.execute(text, admin=True)

    def told(self, texts: Iterable[Any]) -> list[str]:
        """Which secrets are told: in the output, in tracebacks, in these texts."""
        everything = "\n".join(
            [self.output.getvalue(), *self.errors, *(json.dumps(text, default=str) for text in texts)]
        )
        return [secret for secret in self.secrets if secret in everything]

    def _login(self) -> str:
        return json.dumps({"username": self.server.user, "password": self.server.password})

    def _rotate(self, at_once: bool) -> None:
        password = secrets.token_urlsafe(24)
        self.secrets.add(password)
        self.server.set_password(password)
        if at_once:
            attempts.leave_task()
            self._manager.put_secret_value(SecretId="login", SecretString=self._login())
            attempts.enter_task()

    def _stop(self, arn: str) -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=arn)

    def _patch(self) -> None:
        """Take the waiting out of retries, and make parts, blocks and pages small."""
        make, lock = clients.client, threading.Lock()

        def client(*arguments: Any) -> Any:
            with lock:  # a session makes one client at a time
                return make(*arguments)

        for target, name, new in (
            (botocore.endpoint, "time", _NO_SLEEP),
            (clients, "client", client),
            (locks, "_PAUSE_SECONDS", 0.05),
            (locks, "_ATTEMPTS", 2),
            (upload, "PART_BYTES", self.schedule.part_bytes),
            (moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1),
            (moto.s3.models, "reload", lambda module: module),  # a module at every request: most of a round's time
            (copy_csv, "BLOCK_BYTES", 700),
            (truncate, "_MANY_ROWS", 4),
            (segment, "ThreadPoolExecutor", attempts.Pool),
        ):
            self.enter_context(mock.patch.object(target, name, new))

    def _capture(self) -> None:
        # A gzip stream whose end could not be written complains once more when it is collected: as part of the output.
        self.enter_context(mock.patch.object(sys, "unraisablehook", lambda told: self.errors.append(str(told))))
        self.callback(gc.collect)
        self.enter_context(contextlib.redirect_stdout(self.output))
        self.enter_context(contextlib.redirect_stderr(self.output))
        handler = logger.registered_handler
        self.callback(handler.setStream, handler.setStream(self.output))
        root, watcher = logging.getLogger(), logging.StreamHandler(self.output)
        root.addHandler(watcher)
        self.callback(root.removeHandler, watcher)

    def _handlers(self) -> dict[str, Handler]:
        modules = {name: importlib.import_module(f"functions.{module}.app") for name, module in MODULES.items()}
        return {name: self._watched(name, module.lambda_handler) for name, module in modules.items()}

    def _watched(self, name: str, handler: Handler) -> Handler:
        def handle(event: dict[str, Any], _: Any) -> Any:
            try:
                return handler(event, _Context(name))
            except Exception as error:
                self.errors.extend(_chain(error))
                raise

        return handle

    def _make_sources(self) -> None:
        dynamodb: Any = boto3.client("dynamodb")
        for table in TABLES.values():
            create_table(dynamodb, table.source, table)


def _chain(error: BaseException) -> Iterable[str]:
    """An error's traceback, and those beneath that a log may show."""
    return itertools.chain(traceback.format_exception(error))
