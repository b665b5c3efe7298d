"""Harmless questions about secrets and security: many, all harmless, and seen by the calibration."""

from __future__ import annotations

from collections import Counter

import pytest

from vsr.training.attacks import book
from vsr.training.concerns import ROWS, concerns
from vsr.training.examples import task_of
from vsr.training.joined import HARD_KINDS
from vsr.training.prepare import is_held, key
from vsr.training.rows import Row


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(concerns(1))


def test_the_same_seed_makes_the_same_rows(rows: list[Row]) -> None:
    assert list(concerns(1)) == rows
    assert list(concerns(2)) != rows


def test_every_language_has_many_different_questions(rows: list[Row]) -> None:
    counts = Counter(lang for lang, _ in {(row.lang, key(row.text)) for row in rows})
    assert counts["zh"] >= 2000
    assert counts["en"] >= 1500
    assert all(counts[lang] >= 150 for lang in ROWS)


def test_none_is_an_attack_and_all_are_hard_for_the_guard(rows: list[Row]) -> None:
    assert {(row.jailbreak, task_of(row)) for row in rows} == {("benign", "guard")}
    assert all(any(kind in row.stratum for kind in HARD_KINDS) for row in rows)


def test_the_operating_points_are_fitted_on_them_too(rows: list[Row]) -> None:
    assert not any(row.source.startswith("generated-attack") for row in rows)
    assert {row.lang for row in rows if is_held(row.group)} >= {"zh", "en"}


def test_no_slot_is_left_open(rows: list[Row]) -> None:
    assert not [row.text for row in rows if "{" in row.text or "|" in row.text]


@pytest.mark.parametrize("lang", ROWS)
def test_a_file_of_concerns_holds_no_attacks(lang: str) -> None:
    assert not book(lang, f"concerns_{lang}").templates["jailbreak"]
