from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signals.asking import matched, rules
from vsr.config.labels import LANGUAGES
from vsr.signals import language
from vsr.signals.language import detect

SENTENCES = [
    ("en", "Explain the difference between TCP and UDP"),
    ("zh", "请解释TCP和UDP的区别"),
    ("zh", "用Python写一个排序算法"),
    ("de", "Erkläre den Unterschied zwischen TCP und UDP"),
    ("fr", "Quelle est la capitale de la France ?"),
    ("es", "¿Cuál es la capital de Francia?"),
    ("pt", "Qual é a capital da França?"),
    ("it", "Qual è la capitale della Francia?"),
    ("nl", "Wat is de hoofdstad van Frankrijk?"),
    ("pl", "Jaka jest stolica Francji? Napisz proszę"),
    ("tr", "Bana deniz hakkında bir şiir yaz"),
    ("vi", "Hãy viết một bài thơ về biển"),
    ("ja", "今日はいい天気ですね"),
    ("ko", "안녕하세요, 시를 써 주세요"),
    ("ru", "Как дела? Напиши стихотворение"),
    ("uk", "Напиши вірш про море"),
    ("ar", "ما هي عاصمة فرنسا"),
    ("fa", "پایتخت فرانسه کجاست"),
    ("th", "สวัสดี"),
    ("hi", "नमस्ते"),
]


@pytest.mark.parametrize(("code", "text"), SENTENCES)
def test_a_sentence_is_enough_to_tell_the_language(code: str, text: str) -> None:
    found = detect(text)
    assert (found.language, found.confidence >= 0.3) == (code, True)


@pytest.mark.parametrize("text", ["12345 + 67", "🙂🙂", "xyzzy qwrt", "x^2=4"])
def test_text_that_tells_nothing_counts_as_english(text: str) -> None:
    policy = rules("{language: [{name: en}, {name: de}, {name: zh}]}")
    assert matched(policy, text) == {"en"}


def test_one_language_holds_and_a_high_threshold_may_leave_none() -> None:
    policy = rules("{language: [{name: zh}, {name: ja}, {name: en}]}")
    assert matched(policy, "帮我写代码") == {"zh"}
    assert (
        matched(rules("{language: [{name: zh, threshold: 0.99}]}"), "用Python写一个 sorting algorithm")
        == set()
    )


def test_the_configuration_knows_what_can_be_told() -> None:
    assert LANGUAGES == language.LANGUAGES


@given(st.text(max_size=200))
def test_any_text_has_some_language(text: str) -> None:
    found = detect(text)
    assert found.language in LANGUAGES
    assert 0 <= found.confidence <= 1
