"""AWS SDK for pandas: `dynamodb.read_items` with a parallel scan, `postgresql.to_sql` over pg8000.

Its PostgreSQL module has no COPY. `use_threads` is the number of segments, as its documentation says;
of `chunksize` the default of 200 rows, 1000 and 2500 were tried.
"""

import os
import ssl

import awswrangler as wr
import pandas as pd
import pg8000

from benchmarks.peers.columns import NAMES, SOURCE, TABLE, row


def main() -> None:
    """Read everything into items, make a DataFrame of the columns, insert it."""
    items = wr.dynamodb.read_items(SOURCE, allow_full_scan=True, use_threads=2, as_dataframe=False)
    frame = pd.DataFrame([row(item) for item in items], columns=NAMES, dtype=object)
    with pg8000.connect(
        user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"],
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        database=os.environ["PGDATABASE"],
        ssl_context=ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"]),
    ) as connection:
        wr.postgresql.to_sql(frame, connection, TABLE, "public", mode="append", use_column_names=True, chunksize=1000)


if __name__ == "__main__":
    main()
