"""Every statement of the project, with the package whose `queries.sql` has it."""

from pathlib import Path

import demand
import demand_pipeline
from demand_pipeline.postgres.statements import read_queries

LIBRARY = Path(demand_pipeline.__path__[0])
COMMANDS = Path(demand.__path__[0])
FILES = (*sorted(LIBRARY.rglob("queries.sql")), COMMANDS / "queries.sql")
QUERIES = {name: text for file in FILES for name, text in read_queries(file.parent).items()}
