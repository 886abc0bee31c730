"""Other people's code that our statements can run: triggers, event triggers, functions of columns, checks and indexes.

This code relies on its author's search_path, so such a statement runs with the role's own path, without the schemas
in which others may create objects. In these statements our functions and operators are qualified with their schema,
since PostgreSQL prefers an overload with better matching types to one in `pg_catalog`. Every other statement runs with
our path.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n)*(\w+)")
# The first words of statements that run only our code. WITH is one of them if it does not write.
_OURS = frozenset({"BEGIN", "SAVEPOINT", "ROLLBACK", "SET", "SHOW", "LOCK", "ANALYZE", "VACUUM"})
_OURS |= {"SELECT", "WITH", "DECLARE", "FETCH", "CLOSE"}
_QUOTED = re.compile(r"--[^\n]*|'[^']*'|\"[^\"]*\"")
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b")

# undefined_table, undefined_function, undefined_object
_UNKNOWN_NAMES = frozenset({"42P01", "42883", "42704"})


class Facts(NamedTuple):
    """Facts about the server, read by a new session. The schemas in `path` and `left_out` are quoted and in order.

    `event_triggers` maps the names of event triggers to the names of their functions.
    """

    backend: int = 0
    is_standby: bool = False
    path: str = ""
    left_out: str = ""
    event_triggers: Mapping[str, str] = {}

    def explain(self, fields: Mapping[str, str]) -> str:
        """Explain how other people's code contributed to an error of the server, as an addition to its message.

        The error's context may quote a row, so only names that are in the catalog are shown.
        """
        context = fields.get("W", "")
        triggers = [
            name
            for name, function in self.event_triggers.items()
            if re.search(rf'function (?:\S+\.)?"?{re.escape(function)}"?\(\) line ', context)
        ]
        raised = f"; raised in the event trigger {', '.join(triggers)} (docs/adopt.md)" if triggers else ""
        if self.left_out and fields.get("C") in _UNKNOWN_NAMES:
            raised += f"; the load's search_path leaves out {self.left_out}, where others may create (docs/adopt.md)"
        return raised


@lru_cache(512)
def runs_others_code(sql: str) -> bool:
    """Whether a statement, or the first of several, can run other people's code."""
    found = _FIRST_WORD.match(sql)
    word = found[1].upper() if found else ""
    return word not in _OURS or (word == "WITH" and bool(_WRITES.search(_QUOTED.sub("", sql))))
