"""Changes a few items of the source tables, so that the next run has something to do."""

from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import ColumnType
from local import seed
from local.sample import put

REMOVED, CHANGED, ADDED = 1, 2, 3  # items of every table


def change_items(dynamodb: Any) -> None:
    """Remove, change and add items of every source table; the added items have only their keys."""
    for table in TABLES.values():
        name = seed.source_name(table)
        count = dynamodb.describe_table(TableName=name)["Table"]["ItemCount"]  # the emulator's count is current
        texts = [column for column in table.columns if column.type is ColumnType.TEXT and not column.key]
        found = dynamodb.scan(TableName=name, Limit=REMOVED + CHANGED)["Items"]
        for item in found[:REMOVED]:
            dynamodb.delete_item(TableName=name, Key={key: item[key] for key in seed.key_item(table, 1)})
        for item in found[REMOVED:]:
            for column in texts[-1:]:
                put(item, column, {"S": f"changed, one of {count} items"})
            dynamodb.put_item(TableName=name, Item=item)
        above = ADDED * count  # more than any number used in a key
        for number in range(1, ADDED + 1):
            dynamodb.put_item(TableName=name, Item=seed.key_item(table, above + number))
