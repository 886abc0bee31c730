"""Prints the code that converts a table's usual items: `python -m scripts.show_fast_path cases`."""

import sys

from demand_pipeline.builders import TABLES
from demand_pipeline.transform import fast_path


def main() -> int:
    """Print the function of the named table and return the exit status."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TABLES:
        print(f"table: expected one of {', '.join(TABLES)}, got {name!r}", file=sys.stderr)
        return 2
    print(fast_path.source(TABLES[name]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
