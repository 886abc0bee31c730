"""Convert one raw chunk of any table. Each table has a function of its own, whose role reaches its data alone."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import aws
from demand_pipeline.deadline import Deadline
from demand_pipeline.events import TransformRequest
from demand_pipeline.observability import identify, observed
from demand_pipeline.settings import StagingSettings
from demand_pipeline.staging import Staging
from demand_pipeline.transform import transform_chunk


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse, delegate, serialise."""
    request = TransformRequest.from_event(event)
    identify(request.run.id, request.table.name, request.segment)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, aws.client("s3", deadline))
    return transform_chunk(request, staging, deadline).to_event()
