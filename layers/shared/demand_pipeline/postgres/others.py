"""Other people's code that our statements can run: triggers, event triggers, functions of columns, checks and indexes.

It finds its names on the path that its author has, so such a statement runs on the role's own path, without the schemas
in which others may create objects. There our own functions and operators are named with their schema, since
an overload whose types fit better is preferred to one in `pg_catalog`. Every other statement runs on our path.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n)*(\w+)")
# The first words of statements that run nobody's code but ours. WITH is one of them if it does not write.
_OURS = frozenset({"BEGIN", "SAVEPOINT", "ROLLBACK", "SET", "SHOW", "LOCK", "ANALYZE", "VACUUM"})
_OURS |= {"SELECT", "WITH", "DECLARE", "FETCH", "CLOSE"}
_QUOTED = re.compile(r"--[^\n]*|'[^']*'|\"[^\"]*\"")
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b")

# undefined_table, undefined_function, undefined_object
_UNKNOWN_NAMES = frozenset({"42P01", "42883", "42704"})


class Facts(NamedTuple):
    """Facts that the server gives a new session. The schemas in `path` and `left_out` are quoted and in their order.

    `event_triggers` has the name of each one's function.
    """

    backend: int = 0
    is_standby: bool = False
    path: str = ""
    left_out: str = ""
    event_triggers: Mapping[str, str] = {}

    def explain(self, fields: Mapping[str, str]) -> str:
        """How other people's code took part in an error of the server, to be added to its message.

        The error's context may quote a row, so nothing of it is shown but names that the catalog has.
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
    """Whether a statement, or the first of several, can run code that is not ours."""
    found = _FIRST_WORD.match(sql)
    word = found[1].upper() if found else ""
    return word not in _OURS or (word == "WITH" and bool(_WRITES.search(_QUOTED.sub("", sql))))
