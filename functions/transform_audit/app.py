"""Convert one raw chunk of the table `audit`."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline.builders import AUDIT
from demand_pipeline.events import TransformRequest
from demand_pipeline.observability import identify, observed
from demand_pipeline.settings import StagingSettings
from demand_pipeline.staging import Staging
from demand_pipeline.transform import transform_chunk


@observed
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Parse, delegate, serialise."""
    request = TransformRequest.from_event(event, AUDIT)
    identify(request.run.id, request.table.name, request.segment)
    return transform_chunk(request, Staging(StagingSettings.from_env().bucket)).to_event()
