from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.config.patterns import keyword_pattern, raw_pattern


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


@pytest.mark.parametrize("text", ["(a+)+", "(a*)*b", r"(\w+\s?)*$", "((a|b)+c?){2,}", "(?:x{1,})+"])
def test_a_repeat_of_a_repeat_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="repeats a group that repeats inside"):
        raw_pattern(text)


@pytest.mark.parametrize(
    "text", [r"(?:\w+ ?){1,20}now", "(a|a)*b", "(a+){8}b", "(?:aa|aaa)*b", "(?=(a+)+b)x", "(?s)(?:.|\n)*x"]
)
def test_a_repeat_of_what_can_be_read_in_several_ways_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="repeats a group"):
        raw_pattern(text)


@pytest.mark.parametrize("text", [".*.*.*x", "(.*)(.*)(.*)x", r"a+\d*a+b?a+c", "(?:a+){1,3}b", ".*a.*a.*x"])
def test_three_repeats_in_a_row_of_the_same_characters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="three repeats in a row"):
        raw_pattern(text)


def test_whether_letters_tell_turns_apart_depends_on_their_case() -> None:
    assert raw_pattern("([A-Z][a-z]+)+")
    with pytest.raises(ValueError, match="repeats a group"):
        raw_pattern("([A-Z][a-z]+)+", case_sensitive=False)


@pytest.mark.parametrize(
    "text",
    [
        r"(?:(?:then|this|the|please)\s+)*x",
        r"(?:\w+\s+)+now",
        ".*foo.*bar.*baz",
        r"(?:\d{1,3}\.){3}\d{1,3}",
        r"[\w.+-]+@[\w-]+\.[\w.-]+",
        r"(?:.|\n)*x",
        r'(?:"[^"]*",)*',
    ],
)
def test_repeats_whose_turns_can_be_told_apart_are_accepted(text: str) -> None:
    assert raw_pattern(text)


@pytest.mark.parametrize(
    "text", [r"\d{3}-\d+", "(a|b)+", "(a+)?", "(a+){1,3}", r"\(a+\)+", "[(a+)]+", "(?i)x+y*"]
)
def test_harmless_repeats_are_accepted(text: str) -> None:
    assert raw_pattern(text).pattern == text


@pytest.mark.parametrize("text", ["(", "[z-a]", "(?P<x", "a" * 2001, "a{99999999999}", "[[a]"])
def test_what_does_not_compile_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a regular expression|is longer than"):
        raw_pattern(text)
