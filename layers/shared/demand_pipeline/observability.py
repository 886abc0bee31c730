"""The one logger, metrics and tracer of the functions, and the fields every record carries."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

# Named here and not left to the environment, so that a record looks the same wherever it is made.
SERVICE = "demand-pipeline"
NAMESPACE = "DemandPipeline"

logger = Logger(service=SERVICE)
metrics = Metrics(service=SERVICE, namespace=NAMESPACE)
# Patching every library would add a subsegment a page; the functions' own annotations say enough.
tracer = Tracer(service=SERVICE, auto_patch=False)

type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def observed(handler: Handler) -> Handler:
    """Give a Lambda handler its logger, trace and metrics; neither event nor answer is recorded."""
    measured = metrics.log_metrics(handler)
    traced = tracer.capture_lambda_handler(measured, capture_response=False)
    logged: Handler = logger.inject_lambda_context(traced, clear_state=True)
    return logged


def identify(run: str, table: str | None = None, segment: int | None = None) -> None:
    """Put run, table and segment on every log record and on the trace from here on."""
    fields = {"run": run, "table": table, "segment": segment}
    known = {name: value for name, value in fields.items() if value is not None}
    logger.append_keys(**known)
    for name, value in known.items():
        tracer.put_annotation(name, str(value))
    if table is not None:
        metrics.add_dimension("table", table)
