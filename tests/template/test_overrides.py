"""`demand doctor` reads and writes parameter_overrides as SAM itself does."""

import random
import tomllib

from demand.overrides import OverrideError, read, written
from tests.support.sam import parse_overrides

PIECES = [*"aA1 =,'\"\\-ü\n\t", "B=", " C=", '="', '" ', '=""', "='a b'", r"\ ", r"\""]
LONG_FORM = "ParameterKey=A,ParameterValue="
# SAM's expression takes a time that doubles with each character after an open quote.
MOST = 14


def ours(text: str) -> dict[str, str] | None:
    try:
        return read([text])
    except OverrideError:
        return None


def test_any_text_is_read_as_sam_reads_it() -> None:
    draw = random.Random(28)  # noqa: S311 - the same texts in every run
    drawn = ["".join(draw.choices(PIECES, k=draw.randint(1, 12)))[:MOST] for _ in range(20_000)]
    texts = [*drawn, *(LONG_FORM + text for text in drawn[:5000])]
    differing = {
        text: (mine, sams)
        for text, mine, sams in zip(texts, map(ours, texts), parse_overrides(texts), strict=True)
        if mine != sams
    }
    assert differing == {}
    assert sum(ours(text) is not None for text in texts) > 2000


def test_a_list_may_hold_lists_and_tables() -> None:
    members = [["A=1 B=2", ["C=3"]], {"D": 4, "E": True, "F": ["a ", "", "b"]}]
    assert parse_overrides([members]) == [read(members)]
    assert (read("A=1 B=2"), read("")) == ({"A": "1", "B": "2"}, {})


def test_a_long_text_with_an_open_quote_is_refused_at_once() -> None:
    assert ours('"' + "a" * 10_000) is None


def test_a_line_that_is_written_for_a_value_gives_sam_that_value() -> None:
    draw = random.Random(1)  # noqa: S311 - likewise
    values = ["", "100", "cron(0 4 * * ? *)", *("".join(draw.choices("ab1 '\"=,", k=8)) for _ in range(500))]
    lines = [tomllib.loads(f"line = {written('Name', value)}")["line"] for value in values]
    assert parse_overrides(lines) == [{"Name": value} for value in values]


def test_values_of_another_file_are_not_read() -> None:
    for member in ("file://values.yaml", {"$include": "values.yaml"}):
        try:
            read([member])
        except OverrideError as error:
            assert "another file" in str(error)
        else:
            raise AssertionError(member)
