"""What a load came to, as metrics and a log record a table."""

from dataclasses import asdict

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from demand_pipeline.events import LoadResult
from demand_pipeline.observability import NAMESPACE, SERVICE, logger, metrics


def report(result: LoadResult) -> None:
    """Count what is committed, table by table; a dry run is logged only."""
    for table in result.tables:
        logger.info("table loaded" if result.committed else "table loaded and rolled back", **asdict(table))
        if result.committed:
            measured = EphemeralMetrics(service=SERVICE, namespace=NAMESPACE)
            measured.add_dimension("table", table.table)
            measured.add_metric("RowsLoaded", MetricUnit.Count, table.loaded)
            measured.add_metric("RowsDeleted", MetricUnit.Count, table.deleted)
            measured.add_metric("LoadSeconds", MetricUnit.Seconds, table.load_seconds)
            measured.flush_metrics()
    metrics.add_metric("RunsCommitted", MetricUnit.Count, int(result.committed))
