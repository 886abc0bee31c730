"""dlt: a resource yields Arrow tables, which dlt loads as CSV files with COPY.

dlt's documentation recommends Arrow and CSV as the fast way into PostgreSQL: Arrow tables are not normalised row by
row. Dictionaries to CSV take 6 % more CPU per item, dictionaries to `insert_values` 12 % more.
dlt does not support arrays (it stores JSON), and requires bytes in CSV as PostgreSQL's hexadecimal text.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
import simplejson

from benchmarks.peers.columns import COLUMNS, NAMES, TABLE, pages, row

_ARROW = {"numeric": pa.decimal256(76, 38), "bigint": pa.int64(), "boolean": pa.bool_()}


@dlt.resource(name=TABLE, write_disposition="append")
def cases() -> Iterator[pa.Table]:
    """Yield an Arrow table for each page."""
    for page in pages():
        rows = [row(item) for item in page]
        yield pa.table(
            [
                pa.array([_plain(each[name], kind) for each in rows], _ARROW.get(kind, pa.string()))
                for name, kind, _ in COLUMNS
            ],
            names=NAMES,
        )


def _plain(value: Any, kind: str) -> Any:
    match value:
        case bytes():
            return f"\\x{value.hex()}"
        case list():
            return simplejson.dumps(value, ensure_ascii=False)
        case None:
            return None
    return str(value) if kind == "timestamptz" else value


def main() -> None:
    """Extract, normalise and load the table."""
    login = {name: os.environ[f"PG{name.upper()}"] for name in ("user", "password", "host", "port", "database")}
    address = "postgresql://{user}:{password}@{host}:{port}/{database}".format(**login)
    address += f"?sslmode=verify-full&sslrootcert={os.environ['PGSSLROOTCERT']}"
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "benchmark", pipelines_dir=folder, destination=dlt.destinations.postgres(address), dataset_name="public"
        )
        pipeline.run(cases, loader_file_format="csv")


if __name__ == "__main__":
    main()
