"""Carry out one change that an operator's command asks for, or rehearse a load, which is rolled back."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline.contracts.operating.request import OperateRequest
from demand_pipeline.observability import add_log_keys, inject_logger
from demand_pipeline.operate.answer import operate
from demand_pipeline.settings import PostgresSettings


@inject_logger
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Parse the event, carry out the change and serialise the answer."""
    request = OperateRequest.from_event(event, changing=True)
    add_log_keys()
    return operate(request, PostgresSettings.from_env(), context.get_remaining_time_in_millis() / 1000)
