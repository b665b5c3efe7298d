"""Generated attacks and their twins: both labels everywhere, one label per template, no hole left open."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict

import pytest

from vsr.training.attacks import SHARES, attacks, book
from vsr.training.disguises import CODES, DISGUISES, noise
from vsr.training.examples import task_of
from vsr.training.joined import HARD_KINDS
from vsr.training.rows import Row


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(attacks(1, 6000))


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(attacks(3, 200)) == list(attacks(3, 200))
    assert list(attacks(3, 200)) != list(attacks(4, 200))


def test_every_language_has_about_as_many_attacks_as_harmless_rows(rows: list[Row]) -> None:
    counts = Counter((row.lang, row.jailbreak) for row in rows)
    assert {lang for lang, _ in counts} == set(SHARES)
    for lang in SHARES:
        assert 0.85 < counts[lang, "benign"] / counts[lang, "jailbreak"] < 1.15


def test_rows_are_the_guards_and_say_nothing_about_domain_or_pii(rows: list[Row]) -> None:
    assert all(row.domain is None and row.annotated is None and row.anchor is None for row in rows)
    assert {task_of(row) for row in rows} == {"guard"}


def test_a_template_has_one_label_and_no_text_stands_twice(rows: list[Row]) -> None:
    labels = defaultdict(set)
    for row in rows:
        labels[row.group].add(row.jailbreak)
    assert all(len(found) == 1 for found in labels.values())
    assert len(labels) > 600
    texts = Counter((row.lang, row.jailbreak, row.text) for row in rows)
    assert max(texts.values()) == 1


def test_no_text_is_both_an_attack_and_harmless(rows: list[Row]) -> None:
    attack = {row.text for row in rows if row.jailbreak == "jailbreak"}
    assert not attack & {row.text for row in rows if row.jailbreak == "benign"}


def test_harmless_rows_but_the_plain_ones_count_as_hard(rows: list[Row]) -> None:
    easy = {
        r.stratum for r in rows if r.jailbreak == "benign" and not any(k in r.stratum for k in HARD_KINDS)
    }
    assert {stratum.split("/")[1] for stratum in easy} == {"generated-plain"}


@pytest.mark.parametrize("kind", ["with_context", "indirect_with_context", "encoded"])
def test_surroundings_come_with_both_labels(rows: list[Row], kind: str) -> None:
    found = Counter(row.jailbreak for row in rows if row.stratum.split("/")[1] == f"generated-{kind}")
    assert min(found["jailbreak"], found["benign"]) > 80


@pytest.mark.parametrize("lang", SHARES)
def test_every_template_can_be_filled_and_leaves_no_hole(lang: str) -> None:
    parts = book(lang)
    chance = random.Random(1)
    lines = [template.line for found in parts.templates.values() for template in found]
    for line in [*lines, *parts.slots["doc"]]:
        without_json = re.sub("[⟪⟫]", "", line)
        for _ in range(3):
            filled = parts.filled(chance, without_json)
            assert not re.search(r"[{}⟪⟫]", filled), line
            assert filled.strip(), line


def test_documents_have_one_hole_for_the_sentence() -> None:
    assert all(document.count("@@") == 1 for document in book("en").slots["doc"])


def test_harmful_requests_stand_in_attacks_only() -> None:
    for lang in SHARES:
        assert not any("harm}" in template.line for template in book(lang).templates["benign"])


def test_no_length_gives_the_label_away(rows: list[Row]) -> None:
    for lang in ("en", "zh"):
        lengths = {
            label: sorted(len(r.text) for r in rows if r.lang == lang and r.jailbreak == label)
            for label in ("jailbreak", "benign")
        }
        for share in (0.25, 0.5, 0.9):
            attack, harmless = (found[int(len(found) * share)] for found in lengths.values())
            assert 0.5 < attack / harmless < 2


def test_disguises_leave_a_text_that_is_not_empty() -> None:
    for text in ("Please answer the question above.", "请回答上面的问题。", "ok"):
        for number, disguise in enumerate(DISGUISES):
            assert disguise(random.Random(number), text).strip()


def test_codes_can_be_undone_or_read() -> None:
    assert CODES["b64"]("hello") == "aGVsbG8="
    assert CODES["rot13"](CODES["rot13"]("hello")) == "hello"
    assert CODES["reversed"]("abc") == "cba"
    assert CODES["split"]("abcdefghi") == '"abcdefg" + "hi"'


def test_noise_holds_no_words_of_ours() -> None:
    assert not any("ignore" in noise(random.Random(seed)) for seed in range(50))
