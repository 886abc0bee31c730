"""Reports a load's result as metrics and log records, per table."""

from collections import Counter
from dataclasses import asdict

from demand_pipeline.contracts.loading import LoadResult
from demand_pipeline.load.shrinkage import has_shrunk
from demand_pipeline.observability import emit_metrics, logger


def report_changes(result: LoadResult) -> None:
    """Log the changes of each table and of its source; emit metrics if they are committed."""
    for change in result.drift:
        logger.warning("attribute changed", **asdict(change))
    drifted = Counter(change.table for change in result.drift)
    for table in result.tables:
        logger.info("table loaded" if result.committed else "table loaded and rolled back", **asdict(table))
        if result.committed:
            emit_metrics(
                table.table,
                RowsLoaded=table.loaded,
                RowsDeleted=table.deleted,
                LoadSeconds=table.load_seconds,
                AttributesDrifted=drifted[table.table],
                TableShrunk=has_shrunk(table.previous_rows, table.loaded),
            )


def report_refreshed(result: LoadResult) -> None:
    """Emit `TableRefreshed` for each committed table, for the alarms on stale tables."""
    for table in result.tables if result.committed else ():
        emit_metrics(table.table, TableRefreshed=1)
