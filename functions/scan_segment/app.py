"""Scan one chunk of one segment of any table."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline import clients
from demand_pipeline.contracts.scanning import ScanRequest
from demand_pipeline.deadline import Deadline
from demand_pipeline.observability import add_log_keys, inject_logger
from demand_pipeline.s3.staging import Staging
from demand_pipeline.scan.segment import scan_segment
from demand_pipeline.settings import StagingSettings


@inject_logger
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse the event, scan the chunk and serialise the result."""
    request = ScanRequest.from_event(event)
    add_log_keys(request.run.id, request.table.name, request.segment)
    deadline = Deadline(context.get_remaining_time_in_millis)
    staging = Staging(StagingSettings.from_env().bucket, clients.client("s3", deadline))
    return scan_segment(request, staging, deadline).to_event()
