"""Staged rows through COPY: every character survives, escaped or not."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demand_pipeline.load.copy import csv_lines
from demand_pipeline.postgres.connection import Connection, Timeouts
from demand_pipeline.postgres.session import open_session
from tests.support.warehouse import Warehouse

# Each has bitten somebody's loader.
TEXTS = (
    *("", " ", "null", "NULL", r"\N", r"\.", "\n\\.\n", "\\", "\\\\", '"', '""', '\\"', "'", ",", "a,b", "[", "]"),
    *("]\n[", '"]\n["', "]\\n[", "\r", "\n", "\r\n", "\t", "\b", "\f", "\v", "\x01", "\x1f", "\x7f", "\x85"),
    *(
        "\u2028",
        "\u2029",
        "\ufeff",
        "\ufffd",
        "\U0010ffff",
        "🌻",
        "e\u0301",
        "\u202e",
        "\\n",
        "\\u0041",
        "\\\\n",
        "/",
        "\\/",
    ),
    *("ends with \\", "true", "1", "{}", '{"a": "\\n"}', "x" * 100_000),
)
# Everything that PostgreSQL's text can hold.
text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(TEXTS)


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with open_session(warehouse.settings, "copy", Timeouts()) as connection:
        connection.execute("CREATE TEMPORARY TABLE texts (number bigint, a text, b text)")
        yield connection


def staged(rows: list[list[Any]], *, escaped: bool = False) -> io.BytesIO:
    return io.BytesIO(
        b"".join([json.dumps(row, ensure_ascii=escaped, separators=(",", ":")).encode() + b"\n" for row in rows])
    )


def copied(connection: Connection, blocks: Iterator[bytes]) -> list[list[Any]]:
    connection.execute("TRUNCATE texts")
    count = connection.copy_in(f"COPY texts FROM STDIN WITH {csv_lines.OPTIONS}", blocks)
    rows = connection.query("SELECT number, a, b FROM texts ORDER BY number")
    assert count == len(rows)
    return rows


@pytest.mark.parametrize("escaped", [False, True])
def test_every_awkward_text_arrives_as_it_was(connection: Connection, *, escaped: bool) -> None:
    rows = [[number, text, None] for number, text in enumerate(TEXTS)]
    rows += [[number, None, text] for number, text in enumerate(TEXTS, len(rows))]
    assert copied(connection, csv_lines.from_staged(staged(rows, escaped=escaped))) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, derandomize=True, deadline=None)
@given(pairs=st.lists(st.tuples(text | st.none(), text | st.none()), max_size=8), escaped=st.booleans())
def test_any_text_arrives_as_it_was(
    connection: Connection, pairs: list[tuple[str | None, str | None]], *, escaped: bool
) -> None:
    rows = [[number, *pair] for number, pair in enumerate(pairs)]
    assert copied(connection, csv_lines.from_staged(staged(rows, escaped=escaped))) == rows
    values = [(str(number), *pair) for number, pair in enumerate(pairs)]
    assert copied(connection, csv_lines.from_values(values)) == rows


def test_rows_may_lie_across_blocks_and_be_longer_than_one(connection: Connection) -> None:
    lengths = [0, 1, csv_lines.BLOCK_BYTES - 7, csv_lines.BLOCK_BYTES, 3 * csv_lines.BLOCK_BYTES, 5]
    rows = [[number, "ä" * length, "\\" * length] for number, length in enumerate(lengths)]
    assert copied(connection, csv_lines.from_staged(staged(rows))) == rows


def test_blocks_are_large_and_few() -> None:
    rows = staged([[number, "x" * 100, None] for number in range(20_000)])
    sizes = [len(block) for block in csv_lines.from_staged(rows)]
    assert all(1 << 16 <= size <= 1 << 20 for size in sizes[:-1])
    values = [(str(number), "x" * 100, None) for number in range(20_000)]
    assert all(1 << 16 <= len(block) <= 1 << 20 for block in list(csv_lines.from_values(values))[:-1])


def test_what_means_the_same_to_copy_is_left_as_it_is() -> None:
    [block] = csv_lines.from_staged(io.BytesIO(b'[1,"a \\" b \\\\n",null]\n[2,"\\\\",true]\n'))
    assert block == b'1,"a \\" b \\\\n",null\n2,"\\\\",true\n'


def test_the_digits_of_numbers_are_not_touched() -> None:
    line = b'["\\n",1E+125,12345678901234567890.1234567890123456780,-0,1.50,true,false,null]\n'
    [block] = csv_lines.from_staged(io.BytesIO(line))
    assert block == b'"\n",1E+125,12345678901234567890.1234567890123456780,-0,1.50,true,false,null\n'


@pytest.mark.parametrize(
    "lines",
    [
        b"[1,2]",
        b"[1]\n[2",
        b"1,2\n",
        b"[1]\n2]\n",
        b"[1]\n\n[2]\n",
        b"[1\n",
        b'{"a":1}\n',
        b'{"a":"\\n"}\n',
        b'["\\n"\n',
        b'["\\ud800"]\n',
        b'["\\u12"]\n',
    ],
)
def test_a_line_that_is_no_row_is_malformed_and_not_quoted(lines: bytes) -> None:
    with pytest.raises(csv_lines.MalformedError) as caught:
        list(csv_lines.from_staged(io.BytesIO(lines)))
    assert str(caught.value).startswith(("the last row ", "expected one ", "invalid JSON escape "))
