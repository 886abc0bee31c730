"""Load the staged chunks of all tables of a run into PostgreSQL, in one transaction."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import aws
from demand_pipeline.deadline import Deadline
from demand_pipeline.events import LoadRequest
from demand_pipeline.observability import identify, observed
from demand_pipeline.settings import PostgresSettings, StagingSettings
from demand_pipeline.staging import Staging
from demand_pipeline.warehouse.load import load_warehouse


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse, delegate, serialise."""
    request = LoadRequest.from_event(event)
    identify(request.run.id)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, aws.client("s3", deadline))
    return load_warehouse(request, PostgresSettings.from_env(), staging, deadline).to_event()
