"""Phrases that a native reader stumbles over, and advice: `python -m scripts.words`, part of make lint.

The patterns come from a review of the project's texts. They are searched in comments, docstrings and messages of
Python, in comments of SQL, and in the whole text of other files.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Folders and files whose texts were revised.
ROOMS = (
    *("layers/", "functions/", "scripts/", "campaigns/", "benchmarks/", "local/", "demand/", "statemachine/"),
    *("docs/cost.md", "docs/demand.md", "docs/deploy.md", "docs/performance.md"),
    *("template.yaml", "samconfig.toml", "Makefile"),
)
KINDS = (".py", ".sql", ".json", ".yaml", ".md", ".toml", "Makefile")
LEFT_OUT = re.compile(r"scripts/words\.py$|asl\.json$|benchmarks/results/")  # generated and recorded files

_START = r'\A(?:[rf]*"""|#\s*|--\s*)'  # of a docstring or a comment
_NOUN, _PLAIN = "repeat the noun", "use plain words"
AVOID = {
    r"\bpypi\.org\b|\bpythonhosted\.org\b|\bregistry\.npmjs\b": "name the registry, not its host",
    rf"{_START}What (?!if\b)": "begin with the noun: 'Remaining time', not 'What is left'",
    rf"{_START}(?:Of|In words|As (?:it|the)|Such as|How many,|Those)\b": "write a whole sentence",
    r"(?<!says )(?<!list )\bwhat (?:is|had|it|run|no|cannot) ": "use the noun that 'what' stands for",
    r"(?<![`'\"])\b(?:[Ss]ome|[Nn]o|[Ee]very)body\b|\b[Ww](?:ho|hich)ever\b": "name the role, such as an operator",
    r"(?<![Tt]here )\b(?:is|are|be) no(?:ne\b(?! of)| (?!longer|more)\w)": "write 'is not a', or 'there is no'",
    r"\b[Tt]here is (?:nothing that|none)\b|\bnone (?:must|may|when)\b|, and no others\b": _PLAIN,
    r"\b(?:that|those) of\b|\bthose (?:that|which|who)\b|\bnone of its\b|\bamong them\b|\bof which any": _NOUN,
    r"\b(?:message|error|cause|ledger|entry|log|row|`\w+`) has (?:the|its|each|what|any|one)\b": "write 'contains'",
    r"\bexpected (?:what|another|each|items|a last|the last|one of its own)\b": "write 'cannot …, because …'",
    r"\bexpected\b[^.]*, (?:got|found) (?:none|no|others|another|binary|that|one)\b": "write what is missing or wrong",
    r"\bof (?:its|their|his) own\b": "write 'a separate', or 'its own'",
    r"\b(?:\w+ed|there) already\b": "put 'already' before the participle",
    r"\banother \w+ than\b|\b(?:in|of) another (?:order|type|start)\b": "write 'different'",
    r"\bagain and again\b|\bas ever\b|\bon purpose\b|\bnow and then\b|\blikewise\b|\bas said\b|\balike\b": _PLAIN,
    r"\bin the midst\b|\bunder way\b|\banew\b|\bmend\b|\bat last\b|\bin the way\b|\bany ?more\b": _PLAIN,
    r"\bgoe?s? (?:on|forward)\b|\bcomes? (?:back|across|by)\b|\b(?:gives?|makes?) way\b|\bhangs? up\b": _PLAIN,
    r"\b(?:take[sn]?|gives?|puts?|held|holds?) (?:\S+ ){1,6}(?:back|up)\b|\b[Tt]ake back\b": "write 'restore', 'block'",
    r"\bknows? (?:no|neither|what|these|it from)\b|\bspeaks\b|\bis told\b|\bwants (?:that|to know)\b": _PLAIN,
    r"\bsays? (?:so|nothing|something|there|how far)\b|\b(?:name|ledger|declaration) says\b": _PLAIN,
    r"\b(?:row|line|module|statement|text|tables|items|KB) an? (?:item|page|row|run|table|warehouse)\b": "write 'per'",
    r"\b[Rr]eplace (?:\S+ ){1,6}by\b": "write 'replace … with'",
    r"\bbut for\b": "write 'except for'",
    r"\b(?:the most of|used most is|stands what|need not be|would do so)\b|\b[Nn]either (?:does|do)\b": _PLAIN,
    r"\band so (?:has|have|do|does|is|are)\b|\bwas seen to\b|\ball it needs\b": _PLAIN,
    r"\bmakes? of\b|\bhas come to\b|\bhas no more\b|\bthe run before\b(?! last)|\bmay only end\b": _PLAIN,
}


def prose(path: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file that people read, each with its first line."""
    if path.endswith(".py"):
        kinds = (tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from ((token.start[0], token.string) for token in tokens if token.type in kinds)
    else:
        lines = enumerate(text.splitlines(), 1)
        yield from ((number, line) for number, line in lines if not path.endswith(".sql") or line.startswith("--"))


def found(text: str) -> Iterator[tuple[str, str]]:
    """Yield each phrase to avoid, and the advice."""
    line = " ".join(text.split())
    for pattern, advice in AVOID.items():
        yield from ((match[0], advice) for match in re.finditer(pattern, line))


def main() -> int:
    """Report the phrases in tracked files and return the exit status."""
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607 - git, from PATH
    paths = [path for path in tracked.rstrip("\0").split("\0") if path.startswith(ROOMS) and Path(path).is_file()]
    lines = [
        f"{path}:{number}: {phrase!r}: {advice}"
        for path in paths
        if path.endswith(KINDS) and not LEFT_OUT.search(path)
        for number, text in prose(path, Path(path).read_text(encoding="utf-8"))
        for phrase, advice in found(text)
    ]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
