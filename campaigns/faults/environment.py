"""The environment of a round: AWS in-process, a real PostgreSQL, the real functions, and their output."""

import contextlib
import gc
import io
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
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from campaigns.faults import attempts
from campaigns.faults.aws_calls import faulty_aws_calls
from campaigns.faults.database import DatabaseFaults, faulty_database
from campaigns.faults.defaults import change_defaults, reset_defaults
from campaigns.faults.faults import Injector
from campaigns.faults.others import PREPARATION
from campaigns.faults.reader import ROLE
from campaigns.faults.schedule import Schedule
from campaigns.faults.source import MARKER, Item, draw_items, key_of, with_trailing_zeros
from campaigns.faults.tasks import Tasks
from demand_pipeline import clients
from demand_pipeline.builders import TABLES
from demand_pipeline.load.copy import csv_lines
from demand_pipeline.load.in_place import truncate
from demand_pipeline.load.swap import builds, gate
from demand_pipeline.load.warehouse import locks
from demand_pipeline.observability import logger
from demand_pipeline.postgres import credentials
from demand_pipeline.s3 import multipart
from demand_pipeline.scan import segment
from demand_pipeline.tables import Table
from local.postgres import PostgresServer
from tests.statemachine.harness import Machine
from tests.support import warehouse
from tests.support.aws import VARIABLES, aws_in_process, boto_session, create_source, create_staging_bucket
from tests.support.functions import Context, Handler, handlers

SECRET_KEY, SESSION_TOKEN = "secret-key-7f31c0", "session-token-91b2e4"
_NO_SLEEP = SimpleNamespace(sleep=lambda _: None, time=time.time, monotonic=time.monotonic)
_DEADLOCK_TIMEOUT = "40ms"  # less than the load waits for a lock, so that PostgreSQL detects deadlocks
# The loader's role owns the database, as it may on RDS; the reader's role may only read the tables that it creates.
_READER = """
    DROP ROLE IF EXISTS {reader};
    CREATE ROLE {reader} LOGIN PASSWORD '{reader}';
    CREATE SCHEMA warehouse AUTHORIZATION {loader};
    GRANT USAGE ON SCHEMA warehouse TO {reader};
    ALTER DEFAULT PRIVILEGES FOR ROLE {loader} IN SCHEMA warehouse GRANT SELECT ON TABLES TO {reader};
"""
_BY_HAND = """
    CREATE INDEX by_hand ON warehouse.{table} ({column});
    ALTER TABLE warehouse.{table} ADD CONSTRAINT by_hand CHECK (length({column}) > 0);
    GRANT UPDATE ({column}) ON warehouse.{table} TO {reader};
"""


class _Context(Context):
    """A function's context with the attempt's time limit."""

    def get_remaining_time_in_millis(self) -> int:
        return int(attempts.seconds() * 1000)


class Environment(ExitStack):
    """The environment of a round; leaving it stops everything, and resets the database."""

    def __init__(self, schedule: Schedule, server: PostgresServer) -> None:
        super().__init__()
        self.schedule, self.server = schedule, server
        self.fills = 0
        self.injector = Injector(schedule.faults)
        self.database = DatabaseFaults(server, self.injector, self._rotate)
        self.tasks = Tasks(self.injector, self._stop)
        self.output = io.StringIO()  # everything that the functions print or log
        self.errors: list[str] = []  # their tracebacks, with all causes
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
        self.enter_context(aws_in_process())
        self._patch()
        session = boto_session("AKIATEST", SECRET_KEY, SESSION_TOKEN)
        self.enter_context(mock.patch.object(boto3, "DEFAULT_SESSION", session))
        create_staging_bucket()
        credentials.secrets.cache_clear()
        variables = VARIABLES | warehouse.variables(warehouse.settings_for(self.server))
        self.enter_context(mock.patch.dict(os.environ, variables))
        for table in TABLES.values():
            create_source(table)
        self.sql(f"ALTER DATABASE \"{self.server.database}\" SET deadlock_timeout = '{_DEADLOCK_TIMEOUT}'")
        self.callback(self.sql, f"DROP ROLE IF EXISTS {ROLE}")
        self.callback(warehouse.reset, self.server)
        self.sql(_READER.format(reader=ROLE, loader=self.server.user) + PREPARATION)
        if self.schedule.defaults:
            self.callback(reset_defaults, self.server)
            change_defaults(self.server, self.schedule.defaults)
        self._capture()
        self.enter_context(faulty_aws_calls(self.injector, self.schedule.page_items))
        self.enter_context(faulty_database(self.database))
        self.settings = {
            "MinSegments": self.schedule.segments,
            "ChunkBytes": self.schedule.chunk_bytes,
            "LoadStrategy": self.schedule.strategy,
            "KeepPrevious": json.dumps(self.schedule.keep_previous),
            "LoadConcurrency": max(1, self.schedule.copiers),
            "ParallelCopyBytes": 0 if self.schedule.copiers else 1 << 40,
        }
        self.handlers = self._handlers()
        settings = self.settings | {"LoadStrategy": self.schedule.first_strategy}
        self.machine = self.enter_context(Machine(self.handlers, around=self.tasks.around, **settings))
        self.callback(self.database.heal)
        self.callback(self.tasks.finish)

    def change_by_hand(self) -> None:
        """Add undeclared objects to a table, which every load must preserve."""
        table = next(iter(TABLES.values()))
        self.sql(_BY_HAND.format(table=table.name, column=table.key[0].name, reader=ROLE))

    def fill(self) -> Mapping[str, list[Item]]:
        """Draw new items for the source tables: keys appear, stay and vanish. Return the items."""
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
        """Draw a table's new items; some earlier items stay the same, or change only by a trailing zero."""
        random = Random(f"{self.schedule.seed} {self.fills} {position}")
        items = []
        for item in draw_items(random, table, self.schedule.rows):
            before = self.source[table.name].get(str(key_of(table, item)))
            if before is not None:
                item = random.choice((item, before, with_trailing_zeros(table, before)))  # noqa: PLW2901 - one of three
            items.append(item)
        return items

    def heal(self) -> None:
        """Fix everything that an operator would fix before a redrive."""
        self.database.heal()
        self.tasks.heal()
        self._put_login()

    def sql(self, text: str) -> str:
        """Run SQL as the superuser."""
        return self.server.execute(text, admin=True)

    def leaked(self, texts: Iterable[Any]) -> list[str]:
        """Return the secrets that leaked into the output, into tracebacks or into these texts."""
        everything = "\n".join(
            [self.output.getvalue(), *self.errors, *(json.dumps(text, default=str) for text in texts)]
        )
        return [secret for secret in self.secrets if secret in everything]

    def _put_login(self) -> None:
        manager = boto3.client("secretsmanager")
        manager.put_secret_value(SecretId="login", SecretString=warehouse.login(self.server))

    def _rotate(self, at_once: bool) -> None:
        password = secrets.token_urlsafe(24)
        self.secrets.add(password)
        self.server.set_password(password)
        if at_once:
            attempts.leave_task()
            self._put_login()
            attempts.enter_task()

    def _stop(self, arn: str) -> None:
        boto3.client("stepfunctions").stop_execution(executionArn=arn)

    def _patch(self) -> None:
        """Remove the pauses between retries, and make parts, blocks and pages small."""
        make, lock = clients.client, threading.Lock()

        def client(*arguments: Any) -> Any:
            with lock:  # a boto3 session must create one client at a time
                return make(*arguments)

        for target, name, new in (
            (botocore.endpoint, "time", _NO_SLEEP),
            (clients, "client", client),
            (locks, "_PAUSE_SECONDS", 0.05),
            (locks, "_ATTEMPTS", 2),
            (multipart, "PART_BYTES", self.schedule.part_bytes),
            (moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1),
            (
                moto.s3.models,
                "reload",
                lambda module: module,
            ),  # moto reloads a module at every request, which takes most of a round's time
            (csv_lines, "BLOCK_BYTES", 700),
            (truncate, "_MANY_ROWS", 4),
            (builds, "_PAUSE_SECONDS", 0.05),
            (builds, "_WAIT_SECONDS", 3.0),
            (gate, "_PAUSE_SECONDS", 0.02),
            (gate, "_WAIT_SECONDS", 0.6),
            (WaitFunction, "_wait_interval", lambda *_, **__: None),
            (segment, "ThreadPoolExecutor", attempts.Pool),
        ):
            self.enter_context(mock.patch.object(target, name, new))

    def _capture(self) -> None:
        # A gzip stream whose end could not be written raises again when it is collected: capture it as output.
        self.enter_context(mock.patch.object(sys, "unraisablehook", lambda error: self.errors.append(str(error))))
        self.callback(gc.collect)
        self.enter_context(contextlib.redirect_stdout(self.output))
        self.enter_context(contextlib.redirect_stderr(self.output))
        handler: Any = logger.registered_handler
        self.callback(handler.setStream, handler.setStream(self.output))
        root, watcher = logging.getLogger(), logging.StreamHandler(self.output)
        root.addHandler(watcher)
        self.callback(root.removeHandler, watcher)

    def _handlers(self) -> dict[str, Handler]:
        return {name: self._watched(name, handler) for name, handler in handlers().items()}

    def _watched(self, name: str, handler: Handler) -> Handler:
        def handle(event: dict[str, Any], _: Any) -> Any:
            try:
                return handler(event, _Context(name))
            except Exception as error:
                self.errors.extend(traceback.format_exception(error))  # with the causes that a log may show
                raise

        return handle
