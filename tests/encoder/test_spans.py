from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.encoder.coarse_tokenizers import KINDS, coarse_tokenizer
from tests.encoder.tiny_bundle import TYPES
from vsr.encoder.bundle import Bundle
from vsr.encoder.heads import TokenTypes
from vsr.encoder.spans import find_spans
from vsr.encoder.tokens import TextTokenizer

Prediction = tuple[str, float, bool]

STREET = "STREET_ADDRESS"
DATE = "DATE_TIME"
ALL = (*TYPES, STREET, DATE)

NOTHING: Prediction = ("PERSON", 0.01, False)


def begin(kind: str = "PERSON", probability: float = 0.9) -> Prediction:
    return (kind, probability, True)


def inside(kind: str = "PERSON", probability: float = 0.9) -> Prediction:
    return (kind, probability, False)


@pytest.fixture
def tokenizer(bundle: Bundle) -> TextTokenizer:
    return TextTokenizer(bundle.tokenizer_path)


def found(
    tokenizer: TextTokenizer,
    text: str,
    predictions: list[Prediction],
    thresholds: Mapping[str, float] | None = None,
) -> list[tuple[str, str]]:
    tokens = tokenizer.encode(text)
    assert len(tokens) == len(predictions)
    heard = TokenTypes(
        np.array([ALL.index(kind) for kind, _, _ in predictions], dtype=np.uint8),
        np.array([probability for _, probability, _ in predictions], dtype=np.float16),
        np.array([begins for _, _, begins in predictions], dtype=np.bool_),
    )
    spans = find_spans(text, tokens, heard, ALL, thresholds or {})
    return [(span.type, text[span.start : span.end]) for span in spans]


def test_words_of_one_type_make_one_span(tokenizer: TextTokenizer) -> None:
    predictions = [NOTHING, begin(), inside(), NOTHING]
    assert found(tokenizer, "the john smith word", predictions) == [("PERSON", "john smith")]


def test_a_span_may_lack_its_beginning(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "the smith", [NOTHING, inside()]) == [("PERSON", "smith")]


def test_a_new_beginning_starts_a_new_span(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "john mary", [begin(), begin()]) == [("PERSON", "john"), ("PERSON", "mary")]
    assert found(tokenizer, "张三李三", [begin(), inside(), begin(), inside()]) == [
        ("PERSON", "张三"),
        ("PERSON", "李三"),
    ]


def test_another_type_starts_another_span(tokenizer: TextTokenizer) -> None:
    predictions = [begin(), begin("PHONE_NUMBER"), inside("PHONE_NUMBER"), inside("PHONE_NUMBER")]
    assert found(tokenizer, "john 555-0132", predictions) == [
        ("PERSON", "john"),
        ("PHONE_NUMBER", "555-0132"),
    ]


def test_the_pieces_of_a_word_never_part(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "johnny", [begin(), NOTHING], {"PERSON": 0.4}) == [("PERSON", "johnny")]
    assert found(tokenizer, "johnny", [begin(probability=0.7), NOTHING], {"PERSON": 0.3}) == []


def test_a_spurious_beginning_inside_a_number_does_not_split_it(tokenizer: TextTokenizer) -> None:
    predictions = [begin("PHONE_NUMBER"), inside("PHONE_NUMBER"), begin("PHONE_NUMBER")]
    assert found(tokenizer, "555-0132", predictions) == [("PHONE_NUMBER", "555-0132")]


def test_a_mark_passed_over_inside_a_number_does_not_split_it(tokenizer: TextTokenizer) -> None:
    predictions = [begin("PHONE_NUMBER"), NOTHING, inside("PHONE_NUMBER")]
    assert found(tokenizer, "555-0132", predictions) == [("PHONE_NUMBER", "555-0132")]


def test_a_word_passed_over_does_split(tokenizer: TextTokenizer) -> None:
    predictions = [begin(), NOTHING, begin()]
    assert found(tokenizer, "john the mary", predictions) == [("PERSON", "john"), ("PERSON", "mary")]
    assert found(tokenizer, "张和李", predictions) == [("PERSON", "张"), ("PERSON", "李")]


def test_each_type_has_its_threshold(tokenizer: TextTokenizer) -> None:
    predictions = [begin(probability=0.55), begin("PHONE_NUMBER", 0.55)]
    assert found(tokenizer, "john 555", predictions, {"PERSON": 0.6}) == [("PHONE_NUMBER", "555")]
    assert found(tokenizer, "john 555", predictions, {"PHONE_NUMBER": 0.6}) == [("PERSON", "john")]


def test_a_low_threshold_finds_what_is_less_likely_than_not(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "john", [begin(probability=0.45)]) == []
    assert found(tokenizer, "john", [begin(probability=0.45)], {"PERSON": 0.2}) == [("PERSON", "john")]


def test_where_a_span_ends_does_not_depend_on_its_threshold(tokenizer: TextTokenizer) -> None:
    predictions = [begin(probability=0.99), inside(probability=0.3)]
    assert found(tokenizer, "john smith", predictions, {"PERSON": 0.1}) == [("PERSON", "john")]


def test_a_span_keeps_a_word_that_is_weaker_than_its_mean(tokenizer: TextTokenizer) -> None:
    predictions = [begin(probability=0.99), inside(probability=0.7)]
    assert found(tokenizer, "john smith", predictions, {"PERSON": 0.8}) == [("PERSON", "john smith")]


def test_punctuation_and_unpaired_brackets_at_the_edges_are_left_out(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "(john).", [inside()] * 4) == [("PERSON", "(john)")]
    assert found(tokenizer, "john).", [inside()] * 3) == [("PERSON", "john")]
    assert found(tokenizer, "张三。", [inside()] * 3) == [("PERSON", "张三")]
    assert found(tokenizer, "...", [inside()] * 3) == []


def test_a_password_keeps_its_punctuation(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "secret!", [begin("PASSWORD"), inside("PASSWORD")]) == [("PASSWORD", "secret!")]


def test_a_chinese_address_is_one_run_whatever_begins_or_is_passed_over_in_it(
    tokenizer: TextTokenizer,
) -> None:
    predictions = [
        *(NOTHING,) * 2,
        begin(STREET),
        inside(STREET),
        begin(STREET),
        *(NOTHING,) * 2,
        inside(STREET),
        NOTHING,
    ]
    assert found(tokenizer, "在北京市朝阳区路吃", predictions) == [(STREET, "京市朝阳区路")]


def test_a_chinese_character_alone_is_no_address(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "这酒好", [NOTHING, inside(STREET), NOTHING]) == []


def test_an_address_keeps_a_name_in_it_that_could_be_something_else(tokenizer: TextTokenizer) -> None:
    predictions = [begin(STREET), begin("PERSON", 0.6), inside(STREET), inside(STREET)]
    assert found(tokenizer, "555 john word text", predictions) == [(STREET, "555 john word text")]


def test_an_address_does_not_reach_over_the_end_of_a_sentence_or_a_new_one(tokenizer: TextTokenizer) -> None:
    predictions = [begin(STREET), inside(STREET), NOTHING, inside(STREET), inside(STREET)]
    assert len(found(tokenizer, "555 word. the text", predictions)) == 2
    assert len(found(tokenizer, "555 word, the text", predictions)) == 1
    predictions[3] = begin(STREET)
    assert len(found(tokenizer, "555 word, the text", predictions)) == 2


def test_an_unsure_word_belongs_to_an_address_and_makes_none(tokenizer: TextTokenizer) -> None:
    unsure = begin(STREET, 0.3)
    assert found(tokenizer, "555 word text", [begin(STREET), inside(STREET), unsure]) == [
        (STREET, "555 word text")
    ]
    assert found(tokenizer, "555 word text", [unsure] * 3, {STREET: 0.1}) == []


def test_unsure_words_do_not_lower_the_score_of_an_address(tokenizer: TextTokenizer) -> None:
    predictions = [begin(STREET), inside(STREET, 0.3), inside(STREET, 0.3)]
    assert found(tokenizer, "555 word text", predictions, {STREET: 0.85}) == [(STREET, "555 word text")]


def test_a_time_takes_the_half_of_the_day_after_it(tokenizer: TextTokenizer) -> None:
    assert found(tokenizer, "555 pm text", [begin(DATE), NOTHING, NOTHING]) == [(DATE, "555 pm")]
    assert found(tokenizer, "555 the pm", [begin(DATE), NOTHING, NOTHING]) == [(DATE, "555")]
    assert found(tokenizer, "word pm", [begin(DATE), NOTHING]) == [(DATE, "word")]


@pytest.mark.parametrize("kind", KINDS)
def test_neighbouring_names_stay_apart_whatever_the_tokenizer(tmp_path: Path, kind: str) -> None:
    coarse = coarse_tokenizer(kind, tmp_path / "tokenizer.json")
    predictions = [begin()] * len(coarse.encode("john mary"))
    assert found(coarse, "john mary", predictions) == [("PERSON", "john"), ("PERSON", "mary")]


@pytest.mark.parametrize("kind", ["xlm-r", "deberta-v3", "gemma"])
def test_a_name_amid_chinese_is_found_whatever_the_tokenizer(tmp_path: Path, kind: str) -> None:
    coarse = coarse_tokenizer(kind, tmp_path / "tokenizer.json")
    text = "我叫张三，电话是138"
    heads = {2: begin(), 3: inside(), 8: begin("PHONE_NUMBER")}
    predictions = [heads.get(start, NOTHING) for start in coarse.encode(text).starts.tolist()]
    assert found(coarse, text, predictions) == [("PERSON", "张三"), ("PHONE_NUMBER", "138")]


def test_a_blank_taken_for_a_name_is_none(tmp_path: Path) -> None:
    coarse = coarse_tokenizer("roberta", tmp_path / "tokenizer.json")
    assert found(coarse, "john ", [NOTHING, inside()]) == []
