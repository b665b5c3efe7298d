"""Attacks inside documents: a clean twin each, the sentence anywhere, short enough to be read whole."""

from __future__ import annotations

from collections import Counter

import pytest

from vsr.training.attacks import book
from vsr.training.bundle import WINDOW_TOKENS
from vsr.training.documents import BODY, KINDS, PAIRS, documents
from vsr.training.rows import Row


def _shared(first: str, second: str) -> int:
    """How many characters both begin with."""
    return next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(documents(1))


def test_the_same_seed_makes_the_same_rows(rows: list[Row]) -> None:
    assert list(documents(1)) == rows


def test_every_attack_is_followed_by_its_twin(rows: list[Row]) -> None:
    for attack, twin in zip(rows[::2], rows[1::2], strict=True):
        assert (attack.jailbreak, twin.jailbreak) == ("jailbreak", "benign")
        assert attack.stratum.split("/")[1:] == twin.stratum.split("/")[1:]
        assert _shared(attack.text, twin.text) or attack.text[-1] == twin.text[-1]


def test_both_languages_have_thousands(rows: list[Row]) -> None:
    counts = Counter((row.lang, row.jailbreak) for row in rows)
    assert all(counts["en", label] >= 2000 <= PAIRS["en"] for label in ("jailbreak", "benign"))
    assert all(counts["zh", label] >= 2500 <= PAIRS["zh"] for label in ("jailbreak", "benign"))
    assert len({row.text for row in rows}) == len(rows)


def test_the_sentence_stands_at_the_begin_in_the_middle_and_at_the_end(rows: list[Row]) -> None:
    places: Counter[int] = Counter()
    for attack, twin in zip(rows[::2], rows[1::2], strict=True):
        shared = _shared(attack.text, twin.text)
        places[min(2, 3 * shared // len(twin.text))] += 1
    assert min(places[third] for third in range(3)) > len(rows) / 2 / 10


def test_one_window_holds_the_whole_document(rows: list[Row]) -> None:
    for row in rows:
        wide = sum(ord(character) > 0x2E7F for character in row.text)
        # a Chinese character is about one token, four to five others are one
        assert wide + (len(row.text) - wide) / 4.3 < WINDOW_TOKENS - 2
    assert all("indirect" in row.stratum for row in rows)


def test_no_hole_and_no_slot_is_left_open(rows: list[Row]) -> None:
    assert not [
        row.text for row in rows if any(mark in row.text for mark in ("\0", "«", "⟪", "{name}", "{number}"))
    ]


@pytest.mark.parametrize("lang", PAIRS)
def test_every_carrier_has_a_body_of_a_known_kind(lang: str) -> None:
    slots = book(lang, f"documents_{lang}").slots
    for carrier in slots["carrier"]:
        (pool,) = BODY.findall(carrier)
        assert pool in KINDS
        assert len(slots[pool]) >= 7
