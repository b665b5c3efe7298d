from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.config.patterns import MOST_COUNTED, keyword_pattern, raw_pattern


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("tax", "What is the tax?", True),
        ("tax", "a taxi", False),
        ("tax", "syntax", False),
        ("Tax", "TAX returns", True),
        ("积分", "帮我解这道微积分题", True),
        ("python", "用Python写一个函数", True),
        ("python", "ipython", False),
        ("c++", "I write C++.", True),
        ("c++", "objc++", False),
        (".net", "ASP.NET", True),
        ("machine  learning", "machine\nlearning", True),
        ("naïve", "a NAÏVE idea", True),
        ("año", "el año", True),
        ("año", "los años", False),
        ("код", "исходный код", True),
        ("код", "кодировка", False),
        ("a.b", "axb", False),
        ("thuế", "đánh thuế cao", True),
        ("thu", "thuế", False),
        ("세금", "세금을 내다", True),
    ],
)
def test_a_keyword_matches_as_a_whole_word_where_words_have_borders(
    keyword: str, text: str, found: bool
) -> None:
    assert (keyword_pattern(keyword, case_sensitive=False).search(text) is not None) == found


def test_case_counts_only_if_asked_for() -> None:
    assert keyword_pattern("IT", case_sensitive=True).search("it works") is None
    assert keyword_pattern("IT", case_sensitive=True).search("the IT department")


@given(st.text(min_size=1).filter(lambda text: text.strip() == text and text.isprintable()))
def test_any_keyword_compiles_and_finds_itself(keyword: str) -> None:
    assert keyword_pattern(keyword, case_sensitive=True).search(keyword)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["(a+)+b", "(a|a)*b", ".*.*.*x", r"(?:\w+ ?){1,20}now", "a[^>]*>"])
def test_no_expression_takes_longer_than_the_text_is_long(text: str) -> None:
    assert not raw_pattern(text).search("a" * 1_000_000)


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("量子(力学|物理)", "请解释量子力学", True),
        (r"\bsecret\b", "这是secret文件", True),
        (r"\p{Han}{4,}", "quantum 量子力学", True),
        (r"\bsecret\b", "secrets", False),
        ("AÑO", "el año", True),
        ("end$", "the end\n", False),
        ("x", "half \ud83d x", True),
    ],
)
def test_an_expression_is_looked_for_in_any_script(expression: str, text: str, found: bool) -> None:
    assert raw_pattern(expression, case_sensitive=False).search(text) == found


@pytest.mark.timeout(5)
def test_no_more_matches_are_counted_than_anybody_asks_for() -> None:
    assert raw_pattern("a(?:.*%)?").count("a " * 12_000) == MOST_COUNTED


def test_what_an_expression_finds_is_counted_without_empty_finds() -> None:
    assert raw_pattern("子|x*").count("量子xx力子") == 3


def test_case_of_an_expression_counts_unless_told_otherwise() -> None:
    assert not raw_pattern("tax").search("TAX")
    assert raw_pattern("tax", case_sensitive=False).search("TAX")


@pytest.mark.parametrize(
    "text", ["(", "[z-a]", "(?P<x", "a{1001}", "(?=ahead)", r"(a)\1", "a" * 2001, "\ud83d"]
)
def test_what_does_not_compile_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a regular expression|is longer than"):
        raw_pattern(text)


def test_the_reason_names_the_syntax_and_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"RE2's syntax: invalid perl operator: \(\?="):
        raw_pattern("(?=ahead)")
