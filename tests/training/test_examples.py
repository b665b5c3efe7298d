"""Rows become windows of numbers: tags at the right tokens, budgets kept, nothing trained that is unknown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from vsr.training.examples import (
    INDIRECT_TOKENS,
    LONGEST,
    NOTHING,
    batches,
    draw,
    examples,
    free_tags,
    tags_of,
    without_cut_attacks,
)
from vsr.training.labels import TAGS
from vsr.training.rows import Row, read_rows, write_rows

PERSON = TAGS.index("B-PERSON")

ROW = Row(
    text="call jane doe",
    source="S",
    license="MIT",
    group="g",
    lang="en",
    stratum="pii/S/with",
    annotated=("PERSON",),
    spans=((5, 13, "PERSON"),),
)


@pytest.fixture
def tokenizer() -> Tokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "call", "jane", "doe", "at", "noon", "a"]
    made = Tokenizer(WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer = BertNormalizer()
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def test_the_first_token_of_a_span_begins_it_and_the_next_continue_it() -> None:
    offsets = [(0, 4), (5, 9), (10, 13), (14, 16)]
    assert tags_of(offsets, [(5, 13, "PERSON")], []) == [0, PERSON, PERSON + 1, 0]


def test_neighbouring_spans_of_one_type_both_begin() -> None:
    assert tags_of([(0, 1), (1, 2)], [(0, 1, "PERSON"), (1, 2, "PERSON")], []) == [PERSON, PERSON]


def test_tokens_in_ignored_spans_are_not_trained_on() -> None:
    assert tags_of([(0, 4), (5, 9)], [], [(5, 9, "HANDLE")]) == [0, NOTHING]


def test_a_token_marked_o_may_still_carry_types_nobody_annotated() -> None:
    free = free_tags(("PERSON",))
    assert free[0]
    assert free[TAGS.index("B-AGE")]
    assert not free[PERSON]
    assert not free[PERSON + 1]


def test_only_attacks_inside_documents_are_left_out_where_they_would_be_cut(tokenizer: Tokenizer) -> None:
    document = replace(ROW, text="a a a call jane", stratum="jailbreak/indirect/S", jailbreak="jailbreak")
    direct = replace(document, stratum="jailbreak/direct/S")
    harmless = replace(document, jailbreak="benign")
    rows = [document, direct, harmless]
    assert without_cut_attacks(tokenizer, rows, 4) == [direct, harmless]
    assert without_cut_attacks(tokenizer, rows, 5) == rows


def test_special_tokens_carry_no_tag(tokenizer: Tokenizer) -> None:
    (example,) = examples(tokenizer, [ROW], {}, seed=0)
    assert example.tags is not None
    assert example.tags.tolist() == [NOTHING, 0, PERSON, PERSON + 1, NOTHING]
    assert example.ids.tolist() == [2, 4, 5, 6, 3]


def test_a_row_without_labels_trains_no_head(tokenizer: Tokenizer) -> None:
    bare = replace(ROW, stratum="dictionary", annotated=None, spans=())
    (example,) = examples(tokenizer, [bare], {}, seed=0)
    assert (example.domain, example.jailbreak, example.anchor, example.tags) == (
        NOTHING,
        NOTHING,
        NOTHING,
        None,
    )
    assert (example.fact_check, example.feedback) == (NOTHING, NOTHING)


def test_labels_about_the_ask_become_numbers(tokenizer: Tokenizer) -> None:
    row = replace(ROW, stratum="feedback/en/SAT", fact_check="NO_FACT_CHECK_NEEDED", feedback="SAT")
    (example,) = examples(tokenizer, [row], {}, seed=0)
    assert (example.task, example.fact_check, example.feedback) == ("feedback", 0, 1)


def test_long_benign_guard_texts_are_cut_anywhere_and_attacks_at_their_start(tokenizer: Tokenizer) -> None:
    text = "call " + "a " * 500
    rows = [
        replace(ROW, text=text, annotated=None, spans=(), jailbreak=label, stratum=f"{label}/x/{number}")
        for label in ("benign", "jailbreak")
        for number in range(8)
    ]
    made = examples(tokenizer, rows, {}, seed=0)
    assert all(len(example.ids) == LONGEST["guard"] + 2 for example in made)
    assert all(example.ids[1] == 4 for example in made[8:])
    assert not all(example.ids[1] == 4 for example in made[:8])


def test_an_injection_inside_a_document_is_not_cut_off(tokenizer: Tokenizer) -> None:
    row = replace(
        ROW, text="a " * 200, annotated=None, spans=(), jailbreak="jailbreak", stratum="j/indirect/x"
    )
    (example,) = examples(tokenizer, [row], {}, seed=0)
    assert len(example.ids) == 202 <= INDIRECT_TOKENS + 2
    assert example.jailbreak == 1


def test_a_document_whose_injection_may_be_cut_off_says_nothing_to_the_guard(tokenizer: Tokenizer) -> None:
    attack = replace(
        ROW, text="a " * 300, annotated=None, spans=(), jailbreak="jailbreak", stratum="j/indirect/x"
    )
    twin = replace(attack, jailbreak="benign")
    whole = replace(attack, stratum="j/jailbreak_template/x")
    made = examples(tokenizer, [attack, twin, whole], {}, seed=0)
    assert [example.jailbreak for example in made] == [NOTHING, 0, 1]


def test_small_strata_are_drawn_more_often_than_their_share(tokenizer: Tokenizer) -> None:
    rows = [replace(ROW, stratum="exam/big") for _ in range(900)]
    rows += [replace(ROW, stratum="exam/small") for _ in range(100)]
    drawn = draw(examples(tokenizer, rows, {}, seed=0), rows, {"exam": 400}, seed=0)
    counts = Counter(rows[i].stratum for i in drawn)
    assert len(drawn) == pytest.approx(400, abs=40)
    assert counts["exam/small"] == pytest.approx(100, abs=25)


def test_batches_keep_to_their_bounds_and_lose_nothing(tokenizer: Tokenizer) -> None:
    rows = [replace(ROW, text="a " * (1 + number % 40), spans=()) for number in range(200)]
    made = examples(tokenizer, rows, {}, seed=0)
    parts = batches(made, range(len(made)), tokens=256, texts=16, seed=0)
    assert sorted(i for part in parts for i in part) == list(range(200))
    assert all(len(part) <= 16 for part in parts)
    assert all(len(part) * max(len(made[i].ids) for i in part) <= 256 for part in parts)


def test_rows_survive_being_written_and_read(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [ROW, replace(ROW, annotated=None)])
    assert list(read_rows(tmp_path / "rows.jsonl")) == [ROW, replace(ROW, annotated=None)]
