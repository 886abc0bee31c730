"""Runs one variant of a step and reports its usage: python -m benchmarks.variants STEP VARIANT TASKS DONE.

TASKS is a JSON file with two tasks: the first is small and serves to import, connect and cache everything; the second
is measured. So start-up is excluded here; the end-to-end part includes it.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks import workload
from benchmarks.variants import scan, transform

if __name__ == "__main__":
    workload.register()
    step, variant, tasks, target = sys.argv[1:]
    run = {"scan": scan.VARIANTS, "transform": transform.VARIANTS}[step][variant]
    warm, work = json.loads(Path(tasks).read_text())
    run(warm)
    start, cpu = time.monotonic(), time.process_time()
    done = run(work)
    used = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - start}
    Path(target).write_text(json.dumps(used | done))
