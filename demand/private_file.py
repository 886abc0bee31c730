"""Files that only their owner may read, since they can contain personal data."""

import os
import stat
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, also where one has another mode. A pipe or a device keeps its mode."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), 0o600)
        file.write(content)
