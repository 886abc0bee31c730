"""Files that only their owner may read, since they can contain personal data."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_private(path: Path) -> BinaryIO:
    """Open a file for writing with mode 0600, also where one has another mode. A pipe or a device keeps its mode."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fchmod(file.fileno(), 0o600)
    return file
