"""The fast path: code generated from a table's declaration that builds the staged lines of usual items.

The code expects the usual DynamoDB type for each column, a map wherever a path goes through one, and
no unread attributes. It passes values of a different type, and values in a list, to the column's cell, and
unread attributes to `unread`. Anything else raises one of `UNUSUAL`, and `rows` then builds the line on the
slow path. Columns with an unusual value are counted at the end.
"""

import linecache
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from demand_pipeline.dynamodb.typed_json import Item
from demand_pipeline.tables import MAX_BYTES_A_CHARACTER, MAX_KEY_BYTES, ItemPath, Table
from demand_pipeline.transform.column_tree import ColumnTree, column_tree, leaf_columns
from demand_pipeline.transform.column_types import FAST_NAMES, RULES

UNUSUAL = (AttributeError, LookupError, TypeError, ValueError)

type Cell = Callable[[Item], str]
"""Builds a part of an item's staged line."""

type CountTypes = Callable[[Item, tuple[int, ...]], None]


def compile_fast_path(table: Table, cells: Sequence[Cell], unread: Cell, count_types: CountTypes) -> Cell:
    """Return a function that builds an item's staged line, or raises one of `UNUSUAL`.

    `cells` build the columns' parts of the line, `unread` builds the part of `extra`. `count_types` gets the numbers
    of the columns that a cell converted.
    """
    names: dict[str, Any] = {**FAST_NAMES, "EMPTY": {}, "unread": unread, "count_types": count_types}
    names |= {f"cell_{i}": cell for i, cell in enumerate(cells)}
    text, file = source(table), f"<fast path of {table.name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # tracebacks show its lines
    exec(compile(text, file, "exec"), names)  # noqa: S102 - written below, from the declaration alone
    line: Cell = names["line"]
    return line


def source(table: Table) -> str:
    """Return the function's source code: a block per map, which contains a block per attribute."""
    columns = range(len(table.columns))
    key = " + ".join([f"len(part_{i})" for i in columns if table.columns[i].key])
    body = list(_read_map(table, leaf_columns(table), column_tree(table)))
    read = {int(i) for line in body for i in re.findall(r"\bpart_(\d+) =", line)}
    lines = [
        "left_over = False",
        "others = ()",
        "map_0 = item",
        *body,
        # Elements of lists, second columns of an attribute, and columns inside a map that another column reads whole.
        *[f"part_{i} = cell_{i}(item)" for i in columns if i not in read],
        f"if {key} > {MAX_KEY_BYTES // MAX_BYTES_A_CHARACTER}: raise LookupError",
        "extra = unread(item) if left_over else 'null'",
        "if others: count_types(item, others)",
        "return f'[" + ",".join([f"{{part_{i}}}" for i in columns]) + ",{extra}]\\n'",
    ]
    return "\n    ".join(["def line(item):", *lines]) + "\n"


def _read_map(
    table: Table, leaves: dict[ItemPath, int], tree: ColumnTree, path: ItemPath = (), number: str = "0"
) -> Iterator[str]:
    """Yield code that looks up every member to read; if the map has more members, something is left over."""
    yield f"get_{number} = map_{number}.get"
    yield f"missing_{number} = 0"
    for position, (name, inner) in enumerate(tree.items()):
        yield f"value = get_{number}({name!r})"
        if inner is None:
            yield from _read_value(table, leaves[*path, name], f"missing_{number}")
        elif not inner:
            yield f"if value is None: missing_{number} += 1"
            yield "elif 'NULL' not in value: left_over = True"
        else:
            yield f"if value is None: map_{number}_{position} = EMPTY; missing_{number} += 1"
            yield f"else: map_{number}_{position} = value['M']"
            yield from _read_map(table, leaves, inner, (*path, name), f"{number}_{position}")
    yield f"if len(map_{number}) + missing_{number} != {len(tree)}: left_over = True"


def _read_value(table: Table, i: int, missing: str) -> Iterator[str]:
    yield "if value is None:"
    yield "    raise LookupError" if table.columns[i].key else f"    part_{i} = 'null'; {missing} += 1"
    for usual, staged in RULES[table.columns[i].type].fast:
        yield f"elif {usual}: part_{i} = {staged}"
    if not table.columns[i].key:
        yield f"elif 'NULL' in value: part_{i} = 'null'"
    yield f"else: part_{i} = cell_{i}(item); others += ({i},)"
