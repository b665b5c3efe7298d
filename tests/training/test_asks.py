"""Rows about what a user asks for: balanced, grouped by phrasing, never those that are reported on."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from vsr.training.asks import NEEDED, NOT_NEEDED, asks, fact_need, no_feedback
from vsr.training.labels import FACT_CHECK, FEEDBACK
from vsr.training.prepare import key

NATURAL = Path(__file__).parents[2] / "benchmarks" / "data" / "asks_natural.jsonl"


def test_every_kind_of_feedback_has_many_phrasings_in_both_languages() -> None:
    phrasings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in asks(0):
        if row.stratum.startswith("feedback/"):
            phrasings[row.lang, row.feedback or ""].add(row.group)
    assert {label for _, label in phrasings} == set(FEEDBACK)
    assert all(len(groups) >= 145 for (_, label), groups in phrasings.items() if label != "NONE")


def test_both_sides_of_fact_checking_are_of_about_one_size() -> None:
    labels = [row.fact_check for row in asks(0) if row.stratum.startswith("asks/")]
    assert set(labels) == set(FACT_CHECK)
    assert 0.4 < labels.count(NEEDED) / len(labels) < 0.6


def test_no_slot_is_left_open() -> None:
    assert not [row.text for row in asks(1) if row.text.count("{") and "{" not in row.group]


def test_the_same_seed_makes_the_same_rows() -> None:
    assert list(asks(3, per_phrasing=2)) == list(asks(3, per_phrasing=2))


def test_no_row_that_is_reported_on_is_made() -> None:
    reported = {key(json.loads(line)["text"]) for line in NATURAL.read_text(encoding="utf-8").splitlines()}
    assert len(reported) == 150
    assert not reported & {key(row.text) for row in asks(7)}


def test_a_source_settles_whether_facts_are_asked_for_only_where_it_is_plain() -> None:
    assert fact_need("MMLU", "history") == NEEDED
    assert fact_need("MMLU", "math") == NOT_NEEDED
    assert fact_need("GSM8K", "math") == NOT_NEEDED
    assert fact_need("MMLU", "philosophy") is None
    assert fact_need("StackExchange/cooking", "other") is None


def test_prompts_of_a_domain_are_no_feedback_unless_their_source_holds_dialogues() -> None:
    assert no_feedback("MMLU", "history") == "NONE"
    assert no_feedback("CLINC150", "other") is None
    assert no_feedback("BANKING77", None) is None
