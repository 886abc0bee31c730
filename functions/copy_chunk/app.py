"""Copy one staged chunk of a run into PostgreSQL, while other calls copy other chunks of the run."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import clients
from demand_pipeline.contracts.copying import CopyRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.load.copy.chunks import copy_chunk
from demand_pipeline.observability import add_log_keys, inject_logger
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings, StagingSettings


@inject_logger
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse the event, copy the chunk and serialise the result."""
    request = CopyRequest.from_event(event)
    add_log_keys(request.run.id, request.table.name)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, clients.client("s3", deadline))
    return copy_chunk(request, PostgresSettings.from_env(), staging, deadline).to_event()
