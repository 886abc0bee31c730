"""Runs one way to do a stage and says what the work took: python -m benchmarks.ways STAGE WAY TASK ANSWER.

TASK is a JSON file with two tasks: `warm`, a small one that has everything imported, connected and cached, and
`work`, the one that is measured. So start-up, which the whole processes of the end-to-end part pay, stays out.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks import workload
from benchmarks.ways import scan, transform

_STAGES = {"scan": scan.WAYS, "transform": transform.WAYS}

if __name__ == "__main__":
    workload.register()
    stage, way, task, answer = sys.argv[1:]
    do = _STAGES[stage][way]
    tasks = json.loads(Path(task).read_text())
    do(tasks["warm"])
    start, cpu = time.monotonic(), time.process_time()
    done = do(tasks["work"])
    cpu, wall = time.process_time() - cpu, time.monotonic() - start
    Path(answer).write_text(json.dumps({"cpu": cpu, "wall": wall} | done))
