"""What a load came to, as metrics and a log record a table."""

from dataclasses import asdict

from demand_pipeline.events import LoadResult
from demand_pipeline.observability import count, logger


def report(result: LoadResult) -> None:
    """Count what is committed, table by table; a dry run is logged only."""
    for table in result.tables:
        logger.info("table loaded" if result.committed else "table loaded and rolled back", **asdict(table))
        if result.committed:
            count(table.table, RowsLoaded=table.loaded, RowsDeleted=table.deleted, LoadSeconds=table.load_seconds)
