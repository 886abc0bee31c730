"""The original design: boto3's resource, a DataFrame of the whole table, psycopg2's `execute_values`.

psycopg2's documentation calls `execute_values` the fastest way to insert; here, 1000 rows at once (`page_size`) were
faster than the default of 100.
"""

import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

from benchmarks.peers.columns import NAMES, TABLE, pages, row


def main() -> None:
    """Read everything, then insert it in one transaction; the connection uses libpq's environment variables."""
    frame = pd.DataFrame([row(item) for page in pages() for item in page], columns=NAMES, dtype=object)
    frame = frame.where(frame.notna(), None)
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        execute_values(
            cursor,
            f"INSERT INTO {TABLE} ({', '.join(NAMES)}) VALUES %s",
            frame.itertuples(index=False, name=None),
            page_size=1000,
        )


if __name__ == "__main__":
    main()
