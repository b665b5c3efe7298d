"""Several prompts in one text: an attack among them is one, the others are none; as long as a window."""

from __future__ import annotations

import pytest

from vsr.training.joined import LONGEST, PAIRS, about_tokens, is_hard, joined
from vsr.training.rows import Row

WORDS = {"en": "play the song", "zh": "播放下一首歌"}


def _row(text: str, lang: str, label: str = "benign", source: str = "people", kind: str = "benign") -> Row:
    return Row(text, source, "MIT", text, lang, f"{label}/{kind}/{source}", jailbreak=label)


@pytest.fixture(scope="module")
def people() -> list[Row]:
    return [_row(f"{words} {number}", lang) for lang, words in WORDS.items() for number in range(40)]


@pytest.fixture(scope="module")
def rows(people: list[Row]) -> list[Row]:
    return list(joined(people, 1))


def test_the_same_seed_makes_the_same_rows(people: list[Row], rows: list[Row]) -> None:
    assert list(joined(people, 1)) == rows
    assert list(joined(people, 2)) != rows


def test_an_attack_and_its_twin_differ_in_one_prompt(rows: list[Row]) -> None:
    for attack, twin in zip(rows[::2], rows[1::2], strict=True):
        assert (attack.jailbreak, twin.jailbreak) == ("jailbreak", "benign")
        words = WORDS[attack.lang]
        assert attack.text.count(words) >= 1
        assert twin.text.count(words) - attack.text.count(words) in (0, 1)


def test_both_languages_have_about_as_many_as_said(rows: list[Row]) -> None:
    for lang, count in PAIRS.items():
        assert 0.8 * count < sum(row.lang == lang for row in rows) / 2 <= count


def test_a_window_holds_the_text(rows: list[Row]) -> None:
    assert max(about_tokens(row.text) for row in rows) <= LONGEST


def test_only_ordinary_texts_of_people_are_joined(people: list[Row]) -> None:
    others = [
        *(_row(f"zzxq {n}", "en", "jailbreak") for n in range(40)),
        *(_row(f"zzxq {n}", "en", source="generated-attack-en") for n in range(40)),
        *(_row(f"zzxq {n}", "en", kind="benign_trigger") for n in range(40)),
        *(_row(f"zzxq {n}", "en", source="a source of few texts") for n in range(19)),
    ]
    assert not any("zzxq" in row.text for row in joined([*people, *others], 1))


def test_its_harmless_rows_count_as_looking_like_an_attack(rows: list[Row]) -> None:
    assert all(is_hard(row) for row in rows)


def test_without_rows_of_people_there_is_nothing_to_join() -> None:
    assert not list(joined([], 1))
