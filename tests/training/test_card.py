"""The model card: where the rows come from, and how many of them are our own."""

from __future__ import annotations

from vsr.training.card import data_table, notice

PREPARED = {
    "kept": {"generated-exam-zh": 10, "generated-topic-en": 30, "MMLU": 60},
    "licenses": {"generated-exam-zh": "own", "generated-topic-en": "own", "MMLU": "MIT"},
}


def test_the_share_of_rows_of_our_own_and_of_a_language_models_is_told() -> None:
    table = data_table(PREPARED)
    assert "| MMLU | MIT | 60 |" in table
    assert "Of 100 rows 40 (40%) are our own: 10 of them written by a language model" in table


def test_rows_of_our_own_need_no_attribution() -> None:
    assert "MMLU" in notice(PREPARED)
    assert "generated" not in notice(PREPARED)
