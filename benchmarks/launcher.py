"""Runs one command and writes its usage as JSON into the file named first.

A process's peak memory starts at the peak of the process that forked it (Linux keeps it over exec), so a large
benchmark must not start the measured command itself: this small process does.
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
    with open(report, "w") as file:  # noqa: PTH123 - pathlib would need more memory than everything else
        json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}, file)
    sys.exit(os.waitstatus_to_exitcode(status) != 0)
