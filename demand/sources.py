"""The source tables of a deployed stack, as DynamoDB describes them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from demand.errors import DemandError, error_code
from demand.stack import Stack
from demand_pipeline.tables import Table, camel_case

_AT_ONCE = 8


@dataclass(frozen=True)
class Source:
    """The description of a source table by DescribeTable. `items` and `bytes` are up to six hours old; 0 if new."""

    table: str
    name: str
    items: int
    bytes: int


def source_arn(stack: Stack, table: Table) -> str:
    """Return the table's ARN from the stack's parameters; another account's table requires it."""
    _arn, partition, _service, region, account, *_ = stack.state_machine.split(":")
    name = stack.parameters.get(f"{camel_case(table.source)}Table") or table.source
    account = stack.parameters.get("SourceAccountId") or account
    return f"arn:{partition}:dynamodb:{region}:{account}:table/{name}"


def describe_sources(stack: Stack, tables: list[Table]) -> tuple[Source, ...]:
    """Ask DynamoDB for each source table; raises DemandError for one that does not exist."""
    dynamodb = stack.client("dynamodb")
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(lambda table: _describe(dynamodb, table.name, source_arn(stack, table)), tables))


def _describe(dynamodb: Any, table: str, arn: str) -> Source:
    name = arn.partition("/")[2]
    try:
        described = dynamodb.describe_table(TableName=arn)["Table"]
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            raise DemandError("UnknownTable", f"{table}: no DynamoDB table {arn}", "demand config") from None
        raise
    return Source(table, name, described.get("ItemCount", 0), described.get("TableSizeBytes", 0))
