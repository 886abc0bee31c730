"""A reader of the table: short queries one after the other until its input ends; then it says how long they took.

    python -m benchmarks.reader TABLE < KEYS       with PG… in its environment

KEYS are lines of a document's and a case's id, and an empty line: then it begins, and says so. It asks for a row by
its key, and for a count over an index, in turns, with a pause of a millisecond, as somebody who looks on.
"""

import json
import os
import select
import ssl
import sys
import time
from itertools import cycle

import pg8000.native

_PAUSE_SECONDS = 0.001
_WORST = 0.999


def main(table: str) -> None:
    """Read on until standard input is closed; print the waits in milliseconds."""
    keys = []
    while line := sys.stdin.readline().strip():
        keys.append(line.split("|"))
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    names = {"user": "PGUSER", "password": "PGPASSWORD", "host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE"}
    login = {argument: os.environ[name] for argument, name in names.items()}
    with pg8000.native.Connection(**login, ssl_context=context) as connection:
        by_key = connection.prepare(f"SELECT status, line_items::text FROM {table} WHERE document_id = :id")
        by_case = connection.prepare(f"SELECT count(*) FROM {table} WHERE case_id = :id")
        print("reading", flush=True)
        waits = []
        for document, case in cycle(keys):
            for query, value in ((by_key, document), (by_case, case)):
                start = time.perf_counter()
                query.run(id=value)
                waits.append(1000 * (time.perf_counter() - start))
                time.sleep(_PAUSE_SECONDS)
            if select.select([sys.stdin], [], [], 0)[0]:
                break
    waits.sort()
    print(json.dumps({"queries": len(waits), "worst": waits[-1], "thousandth": waits[int(len(waits) * _WORST)]}))


if __name__ == "__main__":
    main(sys.argv[1])
