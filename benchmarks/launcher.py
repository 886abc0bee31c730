"""Runs one command and writes what it used, as JSON, into the file named first.

A process's peak memory begins with that of the process that forked it (Linux carries it over exec), so a large
benchmark must not start what it measures by itself: this small process does.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    report, *command = sys.argv[1:]
    start = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - start
    with open(report, "w") as file:  # noqa: PTH123 - pathlib would take more memory than all the rest
        json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}, file)
    sys.exit(os.waitstatus_to_exitcode(status) != 0)
