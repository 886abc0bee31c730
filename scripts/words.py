"""Words to avoid in all texts of the project, and what to write instead: `python -m scripts.words`, part of make lint.

A phrase is found whole, in any case, over the end of a line and in comments. The changelog and licences are left out.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

AVOID = {
    "anew": "again, from scratch",
    "mend": "fix",
    "beside": "next to, with",
    "is told of": "is reported, is notified",
    "held to its role": "with IAM enforced",
    "holds against": "compares with",
    "strikes with drawn faults": "injects random faults",
    "a row an item": "one row per item",
    "a line a page": "one line per page",
    "CPU an item": "CPU per item",
    "its floor": "a lower bound",
    "the whole way": "end to end",
    "says how far it came": "reports progress",
    "drawn anew by each attempt": "random for each attempt",
    "left in peace": "runs without faults",
    "the kind choice": "does not block readers",
    "in the midst of": "during",
    "under way": "running",
    "put in place": "written to the target",
    "came to a halt": "stalled",
    "was ended": "was killed",
    "heeds neither": "ignores both",
    "whom it should be": "the expected host",
    "may pass by itself": "is transient",
    "goes on after its end": "has trailing data",
    "lost without a word": "lost silently",
    "a person's to mend": "needs manual repair",
    "a mistake of ours": "our bug",
    "stays loud": "re-raised",
    "through what": "staging, as a heading",
    "whom it tells": "alerts, as a heading",
    "let the zombie of a test be gone": "fix zombie race",
}
_LEFT_OUT = re.compile(r"CHANGELOG|LICEN[CS]E|scripts/words\.py$")
_BLANK = r"\s+(?:(?:#|--|\*|>)\s+)*"  # the end of a line, and a comment's mark on the next


def found(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line, from 1, and the phrase of each occurrence."""
    for phrase in AVOID:
        for match in re.finditer(rf"\b{re.escape(phrase).replace(r'\ ', _BLANK)}\b", text, re.IGNORECASE):
            yield text.count("\n", 0, match.start()) + 1, phrase


def main() -> int:
    """Report each occurrence in a tracked file; the answer is the exit status."""
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607 - git, from PATH
    lines = [
        f"{path}:{line}: {phrase!r}: write {AVOID[phrase]!r}"
        for path in tracked.rstrip("\0").split("\0")
        if not _LEFT_OUT.search(path) and Path(path).is_file()
        for line, phrase in sorted(found(Path(path).read_text(encoding="utf-8", errors="replace")))
    ]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
