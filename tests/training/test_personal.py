"""Generated personal data: every type in its language, spans that hold exactly the value."""

from __future__ import annotations

import random
from collections import Counter

from vsr.training.labels import PII_TYPES
from vsr.training.personal import VALUES, card, identity, personal


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(personal(3, 40)) == list(personal(3, 40))
    assert list(personal(3, 40)) != list(personal(4, 40))


def test_every_type_of_a_language_is_marked_somewhere() -> None:
    seen = Counter((row.lang, kind) for row in personal(1, 4000) for _, _, kind in row.spans)
    expected = {(lang, kind) for lang, values in VALUES.items() for kind, _ in values}
    assert expected <= set(seen)
    assert {kind for _, kind in expected} <= set(PII_TYPES)


def test_spans_are_in_order_apart_and_without_blanks_at_their_edges() -> None:
    for row in personal(1, 2000):
        end = 0
        for start, stop, _ in row.spans:
            assert start >= end
            value = row.text[start:stop]
            assert value
            assert value == value.strip()
            end = stop


def test_a_good_part_of_the_rows_holds_only_harmless_numbers() -> None:
    bare = [row for row in personal(1, 2000) if not row.spans]
    assert 0.1 < len(bare) / 2000 < 0.2
    assert all(any(c.isdigit() for c in row.text) for row in bare)


def test_no_slot_is_left_open_in_harmless_rows() -> None:
    assert not any("{" in row.text for row in personal(1, 2000) if not row.spans)


def test_card_numbers_pass_the_luhn_check() -> None:
    for seed in range(50):
        digits = [int(c) for c in card(random.Random(seed)) if c.isdigit()]
        doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
        assert (sum(digits[-1::-2]) + doubled) % 10 == 0


def test_chinese_identities_are_numbers_of_18_or_plates() -> None:
    made = {identity(random.Random(seed)) for seed in range(60)}
    assert any(len(value) == 18 for value in made)
    assert any(not value[0].isascii() for value in made)
