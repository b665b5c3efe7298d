from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.signals.asking import matched, only, rules
from vsr.config.patterns import keyword_pattern, needle, raw_pattern
from vsr.config.policy_signals import KeywordRule
from vsr.signals.asked import Asked
from vsr.signals.fuzzy import allowed_edits, edit_distance
from vsr.signals.keyword import LiteralKeywords


def keywords(*entries: str) -> str:
    return "{keywords: [" + ", ".join(entries) + "]}"


@given(
    st.text("ab İıſßΣσ中文\n-.", max_size=30),
    st.text("abİıſßσ中文-. ", min_size=1, max_size=6).map(str.strip).filter(bool),
    st.booleans(),
)
def test_quick_search_finds_what_the_expression_finds(text: str, keyword: str, cased: bool) -> None:
    pattern = keyword_pattern(keyword, cased)
    assert (Asked(text).occurrences(needle(keyword), pattern) > 0) == (pattern.search(text) is not None)


def phrases(letters: str, most: int) -> st.SearchStrategy[str]:
    """Words of two letters or other pieces, so that keywords and texts often meet."""
    return st.lists(st.sampled_from([*letters, "ab", "Ka", "é", "i\u0307"]), min_size=1, max_size=most).map(
        "".join
    )


@settings(max_examples=200)
@example("\u212ak", ["k"], True)  # the Kelvin sign borders words, and folds into a letter of them
@example("ak", ["\u212a"], False)
@example("ab", [" b"], False)  # no border where the keyword begins with a space
@example("a\u0307b", ["b"], False)  # a dot above borders words, and folds into nothing
@given(
    phrases("aB_1 -.+\n中KİſЖ\u0307", 12),
    st.lists(phrases("ab_1 -.+中KkisЖж\u0307", 4).filter(str.strip), min_size=1, max_size=4),
    st.booleans(),
)
def test_all_rules_together_find_what_each_keywords_expression_finds(
    text: str, words: list[str], cased: bool
) -> None:
    patterns = tuple(keyword_pattern(word, cased) for word in words)
    each = [
        KeywordRule(str(index), "OR", (word,), (pattern,), case_sensitive=cased)
        for index, (word, pattern) in enumerate(zip(words, patterns, strict=True))
    ]
    together = KeywordRule("all", "AND", tuple(words), patterns, case_sensitive=cased)
    found = [signal.matched for signal in LiteralKeywords([*each, together]).evaluate(Asked(text))]
    expected = [pattern.search(text) is not None for pattern in patterns]
    assert found == [*expected, all(expected)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("please REFACTOR this", {"k"}),
        ("refactoring is fun", set()),
        ("unit\n  test", {"k"}),
        ("帮我看看编译错误", {"k"}),
        ("", set()),
        ("\ud800 refactor \udfff", {"k"}),
    ],
)
def test_literal_keywords_are_whole_words_in_any_script(text: str, found: set[str]) -> None:
    policy = rules(keywords("{name: k, keywords: [refactor, unit test, 编译错误]}"))
    if "\ud800" in text:
        assert Asked(text).occurrences("refactor", keyword_pattern("refactor", False)) == 1
        return
    assert matched(policy, text or " ") == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("how do I debug this function", True),
        ("debugging functions", True),
        ("the weather is nice", False),
        ("这个算法太慢了", True),
        ("今天天气很好", False),
    ],
)
def test_bm25_finds_keywords_by_their_terms(text: str, found: bool) -> None:
    policy = rules(keywords("{name: k, method: bm25, keywords: [debug, function, 排序算法]}"))
    signal = only(policy, text)
    assert signal.matched is found
    assert signal.value is not None
    assert (signal.value >= 0.1) is found


def test_bm25_needs_every_keyword_for_and_and_more_terms_for_a_higher_threshold() -> None:
    both = rules(keywords("{name: k, method: bm25, operator: AND, keywords: [neural network, gradient]}"))
    assert not matched(both, "a neural thing")
    assert matched(both, "the gradient of a neural network")
    strict = "{name: k, method: bm25, bm25_threshold: 1.2, keywords: [neural network, gradient descent]}"
    assert not matched(rules(keywords(strict)), "a neural thing")
    assert matched(rules(keywords(strict)), "a neural network")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("this is urgnet!", True),
        ("this is urgent", True),
        ("credit crad number", True),
        ("a kitchen", False),
        ("nothing here", False),
        ("这件事非常紧急", True),
        ("今天天气很好", False),
    ],
)
def test_ngrams_forgive_typing_errors(text: str, found: bool) -> None:
    policy = rules(keywords("{name: k, method: ngram, keywords: [urgent, credit card, 紧急]}"))
    assert bool(matched(policy, text)) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("my pasword is lost", True),
        ("my credit crd", True),
        ("my card", False),
        ("as a rule", False),
        ("请重置密马重置", False),
        ("社会保险号吗", True),
        ("社会保现号码", True),
    ],
)
def test_fuzzy_keywords_allow_a_few_edits(text: str, found: bool) -> None:
    policy = rules(
        keywords("{name: k, fuzzy_match: true, keywords: [password, credit card, asap, 社会保险号码]}")
    )
    assert bool(matched(policy, text)) is found


def test_a_large_fuzzy_threshold_is_a_similarity_as_the_reference_configuration_means_it() -> None:
    policy = rules(keywords("{name: k, method: fuzzy, fuzzy_threshold: 82, keywords: [social security]}"))
    assert matched(policy, "my sociel securty number")
    assert not matched(policy, "a socket for serenity")


def test_a_character_may_be_left_out_or_put_in_where_no_spaces_part_words() -> None:
    policy = rules(keywords("{name: k, method: fuzzy, fuzzy_threshold: 82, keywords: [机器学习算法]}"))
    for text in ("讲讲机器学算法吧", "讲讲机器学习法吧", "讲讲机学习算法吧", "讲讲机器学习的算法吧"):
        assert matched(policy, text), text
    assert not matched(policy, "讲讲机器学法吧")


@pytest.mark.parametrize(
    ("length", "threshold", "edits"), [(3, 2, 0), (4, 2, 1), (5, 2, 1), (8, 2, 2), (15, 82, 2), (8, 100, 0)]
)
def test_short_words_must_be_right(length: int, threshold: float, edits: int) -> None:
    assert allowed_edits(length, threshold) == edits


@settings(deadline=None)  # the naive one is exponential
@given(st.text("abc", max_size=5), st.text("abc", max_size=5), st.integers(1, 6))
def test_edit_distance_is_levenshteins_up_to_the_limit(left: str, right: str, limit: int) -> None:
    def naive(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        change = naive(a[1:], b[1:]) + (a[0] != b[0])
        return min(change, naive(a[1:], b) + 1, naive(a, b[1:]) + 1)

    assert edit_distance(left, right, limit) == min(naive(left, right), limit)


@pytest.mark.parametrize("method", ["bm25", "ngram", "fuzzy"])
def test_nor_holds_where_no_keyword_is_found(method: str) -> None:
    policy = rules(keywords(f"{{name: k, method: {method}, operator: NOR, keywords: [password]}}"))
    assert matched(policy, "good morning")
    assert not matched(policy, "my password")


@pytest.mark.parametrize("text", ["x" * 300_000, "ab " * 100_000, "中" * 200_000, "ignore-" * 50_000])
def test_scorers_read_a_bounded_part_of_a_huge_text(text: str) -> None:
    entries = [f"{{name: {m}, method: {m}, keywords: [password, 密码]}}" for m in ("bm25", "ngram", "fuzzy")]
    assert matched(rules(keywords(*entries)), text) == set()


def test_bm25_does_not_find_a_phrase_by_a_function_word_alone() -> None:
    phrases = "[ignore all previous instructions, do not send to the cloud]"
    policy = rules(keywords(f"{{name: k, method: bm25, bm25_threshold: 0.08, keywords: {phrases}}}"))
    assert not matched(policy, "do all of it on site, but not too fast")
    assert matched(policy, "nothing of this may reach the cloud")


def test_bm25_finds_a_keyword_of_function_words_as_a_phrase() -> None:
    policy = rules(keywords("{name: k, method: bm25, keywords: [who are you, weather]}"))
    assert matched(policy, "Hello! Who are you?")
    assert not matched(policy, "you are free to say who wins")


def test_a_rule_with_expressions_reads_the_text_as_it_is_written() -> None:
    words = ("行(动|为)", r"^Note:\s", "x{3}")
    some, all_of_them = (
        KeywordRule("k", operator, words, method="regex", expressions=tuple(map(raw_pattern, words)))
        for operator in ("OR", "AND")
    )
    found = LiteralKeywords([some, all_of_them]).evaluate(Asked("Note:  行为 XXX"))
    assert [signal.matched for signal in found] == [True, False]
    assert found[1].detail == "2 of 3 keywords found"
