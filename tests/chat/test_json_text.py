"""A string that is JSON is rewritten value by value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.chat.json_text import is_json, within_scalars

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_only_objects_arrays_and_strings_are_json() -> None:
    assert is_json(' {"a": [1]}')
    assert is_json('"Ann"')
    assert not is_json('"Ann" and "Bert"')
    assert not is_json("13812345678")
    assert not is_json("[see below]")
    assert not is_json("{" * 100_000)


def test_a_span_across_marks_is_cut_to_the_values() -> None:
    text = '{"a": "Ann", "b": [138, true]}'
    assert within_scalars(text, [(7, len(text), "X")]) == [
        (7, 10, "X"), (14, 15, "X"), (19, 22, '"X"'),
    ]  # fmt: skip


def test_a_number_that_two_spans_touch_is_replaced_once() -> None:
    assert within_scalars("[1234]", [(1, 2, "X"), (3, 4, "Y")]) == [(1, 5, '"X"')]


def test_an_escape_is_not_torn_apart() -> None:
    assert within_scalars('["\\u5f20x"]', [(4, 8, "X")]) == [(2, 8, "X")]


def test_escapes_between_spans_are_told_from_those_that_spans_begin_and_end_in() -> None:
    text = r'["\n\n\u5f20x\n"]'
    spans = [(3, 4, "X"), (5, 9, "Y"), (13, 14, "Z")]
    assert within_scalars(text, spans) == [(2, 4, "X"), (4, 12, "Y"), (13, 15, "Z")]


@pytest.mark.timeout(10)  # walking the escapes again for every span would take minutes
def test_many_spans_among_many_escapes_are_quickly_cut() -> None:
    text = '["' + r"a@b.co\n" * 30_000 + '"]'
    spans = [(start, start + 6, "X") for start in range(2, len(text) - 2, 8)]
    assert within_scalars(text, spans) == spans


@settings(deadline=None)
@given(value=st.lists(VALUES, max_size=3), data=st.data(), ascii_only=st.booleans())
def test_json_stays_json_whatever_is_replaced(value: object, data: st.DataObject, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [(start, end, "X") for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    pieces, position = [], 0
    for start, end, instead in within_scalars(text, spans):
        assert position <= start < end
        pieces += [text[position:start], instead]
        position = end
    json.loads("".join([*pieces, text[position:]]))
