"""Convert one raw chunk of a table. Each table has its own function, whose role can access only that table's data."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import clients
from demand_pipeline.contracts.transforming import TransformRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.observability import add_log_keys, inject_logger
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import StagingSettings
from demand_pipeline.transform.chunk import transform_chunk


@inject_logger
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse the event, convert the chunk and serialise the result."""
    request = TransformRequest.from_event(event)
    add_log_keys(request.run.id, request.table.name, request.segment)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, clients.client("s3", deadline))
    return transform_chunk(request, staging, deadline).to_event()
