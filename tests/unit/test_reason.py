"""A reject's reason has parts, and one text that can be taken apart again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demand_pipeline.transform.reason import GOT, Reason

TEXTS = st.text()
NAMES = st.text(min_size=1, max_size=63).filter(lambda name: not {":", ","} & set(name))
REASONS = st.builds(Reason.of, NAMES, NAMES, st.one_of(TEXTS, TEXTS.map(lambda text: f"S 'x{GOT}{text}: expected y'")))


@given(REASONS)
def test_a_text_is_taken_apart_into_the_parts_that_it_was_composed_of(reason: Reason) -> None:
    assert Reason.parse(str(reason)) == reason
    assert str(reason).startswith(reason.kind + GOT)


@given(TEXTS, TEXTS, TEXTS.map(lambda text: text * 100))
def test_a_text_has_at_most_200_characters(column: str, expected: str, found: str) -> None:
    assert len(str(Reason.of(column, expected, found))) <= 200


@given(REASONS)
def test_a_line_of_a_rejects_object_is_read_with_its_parts_and_without(reason: Reason) -> None:
    earlier = {"reason": str(reason)}
    assert Reason.read(json.loads(json.dumps(earlier | reason._asdict()))) == reason
    assert Reason.read(earlier) == reason


@pytest.mark.parametrize("text", ["", "odd reason", "x, got y", "key: expected"])
def test_a_text_that_has_no_parts_is_a_kind_of_its_own(text: str) -> None:
    assert Reason.parse(text).kind == text.partition(GOT)[0]
