"""Copies one staged chunk into its run's shadows: the part of a load that many functions run concurrently."""

from demand_pipeline.contracts.copying import CopyRequest, CopyResult
from demand_pipeline.deadline import Deadline
from demand_pipeline.load.copy.chunks import ChunkCopier
from demand_pipeline.load.copy.shadows import open_shadows
from demand_pipeline.load.guard import Guard
from demand_pipeline.observability import logger
from demand_pipeline.s3.staging import Staging
from demand_pipeline.settings import PostgresSettings


def copy_chunk(request: CopyRequest, settings: PostgresSettings, staging: Staging, deadline: Deadline) -> CopyResult:
    """Copy the chunk, unless it is already copied; raises the errors of `ChunkCopier` and `open_session`.

    If there are no shadows, the run is already loaded, or it paused for so long that another run dropped them: then
    the load copies the missing chunks.
    """
    with open_shadows(settings, request.run, deadline) as shadows:
        if not shadows.exist():
            logger.warning("no shadows, the chunk is left to the load", chunk=request.key)
            return CopyResult(copied=False)
        copier = ChunkCopier(shadows.connection, staging, shadows, Guard(shadows.connection, deadline))
        copied = copier.copy(request.table, request.key, request.staged, request.rejected)
    logger.info("chunk copied" if copied else "chunk was copied before", chunk=request.key, rows=request.staged)
    return CopyResult(copied)
