"""The functions' logger, their metrics, and the fields of every log record."""

import os
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from demand_pipeline.settings import stack_name

# Constants, not settings of the environment, so that records look the same wherever they are written.
SERVICE = "demand-pipeline"
NAMESPACE = "DemandPipeline"

# Powertools would also take the level from LOG_LEVEL, which a shell may have for another program.
logger = Logger(service=SERVICE, level=os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"))

type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def inject_logger(handler: Handler) -> Handler:
    """Inject the Lambda context into the handler's log records; the event is not logged."""
    logged: Handler = logger.inject_lambda_context(handler, clear_state=True)
    return logged


def add_log_keys(run: str | None = None, table: str | None = None, segment: int | None = None) -> None:
    """Add stack, run, table and segment to all further log records; raises ConfigurationError without a stack."""
    fields = {"stack": stack_name(), "run": run, "table": table, "segment": segment}
    logger.append_keys(**{name: value for name, value in fields.items() if value is not None})


def emit_metrics(table: str, **values: float) -> None:
    """Emit metrics of a table immediately, such as `RowsLoaded=12`; a name that ends in Seconds is a time.

    The dimensions are `service`, which Powertools adds, `stack` and `table`: an alarm must name exactly these three.
    """
    metrics = EphemeralMetrics(service=SERVICE, namespace=NAMESPACE)
    metrics.add_dimension("stack", stack_name())
    metrics.add_dimension("table", table)
    for name, value in values.items():
        metrics.add_metric(name, MetricUnit.Seconds if name.endswith("Seconds") else MetricUnit.Count, value)
    metrics.flush_metrics()
