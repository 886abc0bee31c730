"""The whole pipeline in one process: the real functions, AWS by moto, a real PostgreSQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import boto3
import pytest

from demand_pipeline.builders import TABLES
from tests.statemachine.fakes import Around
from tests.statemachine.harness import Machine
from tests.support import functions
from tests.support.aws import create_source
from tests.support.functions import Handler
from tests.support.warehouse import Warehouse


def one_at_a_time(handlers: dict[str, Handler]) -> dict[str, Handler]:
    """A Lambda sandbox runs one event at a time, and Powertools counts on that."""
    lock = Lock()

    def alone(handler: Handler) -> Handler:
        def handle(event: dict[str, Any], context: Any) -> Any:
            with lock:
                return handler(event, context)

        return handle

    return {name: alone(handler) for name, handler in handlers.items()}


@dataclass
class Pipeline:
    """The source tables, the functions, and the warehouse they fill."""

    warehouse: Warehouse
    dynamodb: Any

    def machine(
        self, around: Around | None = None, handlers: dict[str, Handler] | None = None, **settings: Any
    ) -> Machine:
        """The state machine over the real functions, or others in their place."""
        return Machine(one_at_a_time(functions.handlers() | (handlers or {})), around=around, **settings)

    def put(self, table: str, items: Iterable[dict[str, Any]]) -> None:
        """Write items in DynamoDB's JSON into the source of a warehouse table."""
        for item in items:
            self.dynamodb.put_item(TableName=TABLES[table].source, Item=item)

    def sql(self, text: str) -> list[str]:
        """Run SQL with the warehouse's schema in front, and return its rows as psql writes them."""
        return self.warehouse.sql(f"SET search_path = {self.warehouse.settings.schema}; {text}").splitlines()

    def counts(self) -> dict[str, int]:
        """Rows of each warehouse table that there is."""
        there = self.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {table: len(self.sql(f'TABLE "{table}"')) for table in TABLES if table in there}


@pytest.fixture
def pipeline(warehouse: Warehouse, environment: None) -> Pipeline:
    for table in TABLES.values():
        create_source(table)
    return Pipeline(warehouse, boto3.client("dynamodb"))
