"""Creates the source tables in DynamoDB from the keys of the declarations, and fills them with the sample."""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import Table
from local.sample import Item
from local.sample_values import numbered

_BATCH = 25  # items; DynamoDB: BatchWriteItem takes up to 25
_WRITERS = 4
_WAVE = 2000  # items generated before they are written: limits the memory


def source_name(table: Table) -> str:
    """Return the local DynamoDB table's name, which differs from the parameter's default in the template."""
    return f"local-{table.source}"


def variable_name(table: Table) -> str:
    """Return the environment variable with this name: `line-items` is in `LINE_ITEMS_TABLE`."""
    return f"{re.sub(r'[^A-Z0-9]', '_', table.source.upper())}_TABLE"


def create_tables(dynamodb: Any) -> None:
    """Create the source tables; existing ones are first dropped with their items."""
    existing = set(dynamodb.list_tables()["TableNames"])
    for table in TABLES.values():
        name = source_name(table)
        if name in existing:
            dynamodb.delete_table(TableName=name)
        create_table(dynamodb, name, table)


def create_table(dynamodb: Any, name: str, table: Table) -> str:
    """Create an empty table with the keys of a declaration; returns its ARN."""
    kinds = {column.attribute: next(iter(numbered(column, 1))) for column in table.key}
    created = dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in kinds.items()],
        KeySchema=[
            {"AttributeName": key, "KeyType": role} for key, role in zip(kinds, ("HASH", "RANGE"), strict=False)
        ],
    )
    return str(created["TableDescription"]["TableArn"])


def key_item(table: Table, number: int) -> Item:
    """Return an item with only its key, a different one for each number."""
    return {column.attribute: numbered(column, number) for column in table.key}


def write_sample(dynamodb: Any, sample: Iterable[tuple[Table, Item]], tell: Callable[[int], None]) -> None:
    """Write the sample into the tables; `tell` gets the number of items written so far."""
    written = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        for wave in batched(sample, _WAVE, strict=False):
            list(pool.map(lambda batch: _write(dynamodb, batch), batched(wave, _BATCH, strict=False)))
            written += len(wave)
            tell(written)


def _write(dynamodb: Any, batch: Iterable[tuple[Table, Item]]) -> None:
    requests: dict[str, list[Any]] = {}
    for table, item in batch:
        requests.setdefault(source_name(table), []).append({"PutRequest": {"Item": item}})
    while requests:
        requests = dynamodb.batch_write_item(RequestItems=requests)["UnprocessedItems"]
