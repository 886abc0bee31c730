"""DynamoDB items, drawn: any attribute value at all, and values that a table's columns are likely to take."""

import base64
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from demand_pipeline.tables import Column, ColumnType, Table
from local.sample import put

SPECIAL = st.sampled_from(
    ["", "\0", "a\0b", "\\u0000", "\\", '"', "\n", "\r\n", "\t", "\\.", "\\N", "null", "NULL", "{}", "__proto__", "é", "🌻",
     "\u202e", "\u2028", "'; drop table cases; --", " ", "true", "FALSE", "007", ".5", "5.", "+5", "NaN", "Infinity", "1_0", "٣"]
)  # fmt: skip
TEXT = st.one_of(SPECIAL, st.text(max_size=12))

NUMBER = st.one_of(
    st.integers(-(10**19), 10**19).map(str),
    st.integers(-(2**63) - 1, 2**63).map(str),
    st.sampled_from(["0", "1", "10.0", "1E+3", "-0", "1E-130", "9.9999999999999999999999999999999999999E+125", "0.5",
                     "100000000000", "99999999999.9999999", "1775025072123.4567", "-1.0000005", "253402300800", "1e2"]),
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**20), max_value=10**20).map(str),
    st.from_regex(r"-?[1-9][0-9]{0,37}(E[+-]?[0-9]{1,2})?", fullmatch=True),
)  # fmt: skip
BINARY = st.binary(max_size=12).map(lambda data: base64.b64encode(data).decode())

MOMENT = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.dates().map(str),
    st.sampled_from(["2026-11-23T10:00:00Z", "2026-02-30", "31/12/2026", "2026-W47-1", "20261123", "2026-11-23 24:00",
                     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23T10:00:00.1234567+05:30"]),
)  # fmt: skip


def sets(kind: str, elements: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda content: {kind: content}, st.lists(elements, min_size=1, max_size=4, unique=True))


SCALAR = st.one_of(
    TEXT.map(lambda text: {"S": text}),
    NUMBER.map(lambda text: {"N": text}),
    BINARY.map(lambda text: {"B": text}),
    st.booleans().map(lambda flag: {"BOOL": flag}),
    st.just({"NULL": True}),
    sets("SS", TEXT),
    sets("NS", NUMBER),
    sets("BS", BINARY),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda content: {"L": content}),
        st.dictionaries(TEXT, inner, max_size=4).map(lambda content: {"M": content}),
    ),
    max_leaves=8,
)
EMPTY = st.sampled_from([{"L": []}, {"M": {}}, {"NULL": True}, {"L": [{"L": []}]}, {"L": [{"M": {}}]}])
LIKELY = st.one_of(
    VALUE,
    MOMENT.map(lambda text: {"S": text}),
    NUMBER.map(lambda text: {"S": text}),
    BINARY.map(lambda text: {"S": text}),
    st.lists(st.one_of(TEXT.map(lambda text: {"S": text}), st.just({"NULL": True})), max_size=3).map(
        lambda x: {"L": x}
    ),
    st.lists(st.one_of(NUMBER.map(lambda text: {"N": text}), st.just({"NULL": True})), max_size=3).map(
        lambda x: {"L": x}
    ),
)


@st.composite
def items(draw: st.DrawFn, table: Table) -> dict[str, Any]:
    """An item for a table: a few of its columns' attributes, at their paths, and a few unknown ones.

    Drawn sparsely, so that many fit: the more columns have odd values, the surer the reject.
    """
    item: dict[str, Any] = draw(st.dictionaries(TEXT.filter(bool), VALUE, max_size=2))
    for column in table.columns:
        if column.key:
            item[column.attribute] = draw(
                st.sampled_from([{"S": "k"}, {"S": "k\0"}]) if column.type == "text" else NUMBER.map(lambda n: {"N": n})
            )
    for column in draw(st.lists(st.sampled_from(table.columns), max_size=3)):
        put(item, column, draw(LIKELY))
        around = column.path[: draw(st.integers(0, len(column.path) - 1))]
        if len(around) > 0 and draw(st.booleans()):
            put(item, replace(column, source=(*around, draw(stranger(column.path[len(around)])))), draw(VALUE))
    if draw(st.integers(0, 2)) == 0:
        item[draw(st.sampled_from(table.columns)).attribute] = draw(st.one_of(EMPTY, VALUE))
    return item


def stranger(step: str | int) -> st.SearchStrategy[str | int]:
    """Another member of the same map or list."""
    return TEXT.filter(bool) if isinstance(step, str) else st.integers(0, 3)


# Attributes that hold lists, and the others, which hold maps where a path goes through them; so do elements.
LISTS = ("list", "my.list [0]")
NAMES = (*LISTS, "a.b", "net-total", "two words", "größe 🌻", 'it\'s {a} "name"\\', "it")


@st.composite
def paths(draw: st.DrawFn) -> tuple[str | int, ...]:
    """A column's path, up to four steps long: no name goes into a list, and no index into a map."""
    path: list[str | int] = [draw(st.sampled_from(NAMES))]
    for _ in range(draw(st.integers(0, 3))):
        steps: st.SearchStrategy[str | int] = st.integers(0, 2) if path[-1] in (*LISTS, 2) else st.sampled_from(NAMES)
        path.append(draw(steps))
    return tuple(path)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A declaration of any columns that there may be; several may read one attribute, or parts of it."""
    drawn = draw(st.lists(paths(), min_size=1, max_size=6))
    ways = {path[:n] for path in drawn for n in range(1, len(path))}
    columns = [
        Column("id", draw(st.sampled_from(["text", "numeric", "bigint"]).map(ColumnType)), ("a.b",), "It.", key=True)
    ]
    for i, path in enumerate(drawn):
        kinds = [kind for kind in ColumnType if path not in ways or not kind.endswith("[]") or path[-1] in (*LISTS, 2)]
        columns.append(Column(f"column {i}", draw(st.sampled_from(kinds)), path, "It."))
    return Table("things", "things", "Things.", tuple(columns))
