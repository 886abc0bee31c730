"""Load the staged chunks of all tables of a run into PostgreSQL, in one transaction."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import clients
from demand_pipeline.contracts.loading import LoadRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.load.transaction import load_warehouse
from demand_pipeline.observability import add_log_keys, inject_logger
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings, StagingSettings


@inject_logger
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse the event, load the run and serialise the result."""
    request = LoadRequest.from_event(event)
    add_log_keys(request.run.id)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, clients.client("s3", deadline))
    return load_warehouse(request, PostgresSettings.from_env(), staging, deadline).to_event()
