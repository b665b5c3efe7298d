"""Generated personal data: every type in its language, spans that hold exactly the value."""

from __future__ import annotations

import random
from collections import Counter

from vsr.training.identifiers import entries
from vsr.training.labels import PII_TYPES
from vsr.training.personal import SHAPES, SLOT, TEXTS, VALUES, fill, personal, places


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(personal(3, 40)) == list(personal(3, 40))
    assert list(personal(3, 40)) != list(personal(4, 40))


def test_every_type_of_a_language_is_marked_somewhere() -> None:
    seen = Counter((row.lang, kind) for row in personal(1, 4000) for _, _, kind in row.spans)
    expected = {(lang, kind) for lang, values in VALUES.items() for kind in values}
    assert expected <= set(seen)
    assert {kind for _, kind in expected} <= set(PII_TYPES)


def test_half_of_the_rows_are_english_and_every_shape_occurs() -> None:
    counts = Counter(row.lang for row in personal(1, 2000))
    assert counts["en"] == counts["zh"] == 1000
    assert {row.stratum.split("/")[2] for row in personal(1, 2000)} == set(SHAPES)


def test_spans_are_in_order_apart_and_without_blanks_at_their_edges() -> None:
    for row in personal(1, 3000):
        end = 0
        for start, stop, _ in sorted((*row.spans, *row.ignored)):
            assert start >= end
            value = row.text[start:stop]
            assert value
            assert value == value.strip()
            end = stop


def test_a_good_part_of_the_rows_holds_only_harmless_numbers() -> None:
    bare = [row for row in personal(1, 2000) if not row.spans]
    assert 0.2 < len(bare) / 2000 < 0.32
    assert sum(any(c.isdigit() for c in row.text) for row in bare) > 0.9 * len(bare)


def test_no_slot_is_left_open() -> None:
    assert not any(SLOT.search(row.text) for row in personal(1, 4000))


def test_templates_with_values_hold_some_and_the_others_none() -> None:
    chance = random.Random(1)
    for section in ("said en", "said zh", "file any", "none en", "none zh", "code any"):
        for template in entries(section, TEXTS):
            _, spans = fill(chance, section[-2:] if section.endswith(("en", "zh")) else "en", template)
            assert bool(spans) == section.startswith(("said", "file")), template


def test_spans_of_a_filled_template_hold_the_values_and_leave_words_beside_them_outside() -> None:
    text, spans = fill(
        random.Random(2), "zh", "{STREET_ADDRESS}附近有什么好吃的吗？共{m}家，电话{PHONE_NUMBER}。"
    )
    (first, address, kind), (start, stop, other) = spans
    assert (first, kind, other) == (0, "STREET_ADDRESS", "PHONE_NUMBER")
    assert text[address:].startswith("附近有什么好吃的吗？")
    assert (text[start - 2 : start], text[stop:]) == ("电话", "。")


def test_rows_that_name_a_restaurant_leave_open_what_its_name_is() -> None:
    rows = [row for row in personal(1, 4000) if "venue" in row.group]
    assert rows
    assert all(row.annotated and "ORGANIZATION" not in row.annotated for row in rows)


def test_machine_times_in_logs_are_neither_right_nor_wrong() -> None:
    ignored = [row for row in personal(1, 4000) if row.ignored]
    assert ignored
    assert all(kind in ("stamp", "hours") for row in ignored for _, _, kind in row.ignored)


def test_an_address_ends_before_words_that_say_near_it() -> None:
    rows = [row for row in places(1) if row.stratum.endswith("/address")]
    values = [row.text[a:b] for row in rows for a, b, kind in row.spans if kind == "STREET_ADDRESS"]
    assert len(values) >= 1500
    assert not [v for v in values if v.endswith(("附近", "对面", "旁边", "那边", "门口"))]
    assert not [v for v in values if v.startswith(("地址", "位于", "在"))]


def test_names_of_places_alone_are_no_addresses() -> None:
    rows = [row for row in places(1) if row.stratum.endswith("/place")]
    assert len(rows) > 200
    assert not any(kind == "STREET_ADDRESS" for row in rows for _, _, kind in row.spans)


def test_number_plates_are_marked_whole() -> None:
    rows = [row for row in places(1) if row.stratum.endswith("/plate")]
    assert len(rows) > 300
    assert all(any(kind == "OTHER_ID" for _, _, kind in row.spans) for row in rows)
    assert not any(SLOT.search(row.text) or "PLATE" in row.text for row in rows)
