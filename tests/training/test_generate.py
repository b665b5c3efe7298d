"""Generated prompts: every domain, both languages, the same for the same seed."""

from __future__ import annotations

from collections import Counter

from vsr.training.dictionary import clean_gloss
from vsr.training.generate import generated, read_pairs
from vsr.training.labels import DOMAINS
from vsr.training.vocabulary import is_ideograph


def test_the_same_seed_makes_the_same_prompts() -> None:
    assert list(generated(3, per_topic=1)) == list(generated(3, per_topic=1))
    assert list(generated(3, per_topic=1)) != list(generated(4, per_topic=1))


def test_every_domain_has_as_many_prompts_in_either_language() -> None:
    counts = Counter((row.domain, row.lang) for row in generated(1, per_topic=2))
    assert {domain for domain, _ in counts} == set(DOMAINS)
    assert all(counts[domain, "en"] == counts[domain, "zh"] >= 100 for domain in DOMAINS)


def test_topics_are_spread_evenly_over_the_domains() -> None:
    counts = Counter(domain for (domain,), _ in read_pairs("topics.txt"))
    assert set(counts) == set(DOMAINS)
    assert max(counts.values()) - min(counts.values()) <= 5


def test_no_slot_is_left_open_and_chinese_prompts_are_chinese() -> None:
    for row in generated(1, per_topic=2):
        assert "{" not in row.text
        if row.lang == "zh":
            assert any(is_ideograph(character) for character in row.text)


def test_a_chinese_prompt_is_anchored_to_its_english_twin() -> None:
    english, chinese = list(generated(1, per_topic=1))[:2]
    assert (english.lang, chinese.lang) == ("en", "zh")
    assert chinese.anchor == english.text == english.anchor


def test_every_domain_has_at_least_forty_questions_in_neighbouring_pairs() -> None:
    questions = list(read_pairs("questions.txt"))
    counts = Counter(domain for (domain,), _ in questions)
    assert set(counts) == set(DOMAINS)
    assert min(counts.values()) >= 40
    assert all(first[0] == second[0] for first, second in zip(questions[::2], questions[1::2], strict=True))


def test_long_prompts_hold_two_questions_and_are_read_like_natural_ones() -> None:
    rows = [row for row in generated(1, per_topic=1) if row.source.startswith("generated-long")]
    words = sorted(len(row.text.split()) for row in rows if row.lang == "en")
    assert words[0] >= 30
    assert 60 <= words[len(words) // 2] <= 150
    assert {row.stratum.split("/")[0] for row in rows} == {"natural"}


def test_a_question_and_its_long_prompts_are_one_group() -> None:
    rows = list(generated(1, per_topic=1))
    questions = [(pair[0], pair[1]) for _, pair in read_pairs("questions.txt")]
    english, chinese = questions[1]
    groups = {
        row.group for row in rows if english.rstrip("?.") in row.text or chinese.rstrip("？。") in row.text
    }
    assert groups == {f"question:{questions[0][0]}"}


def test_frames_of_a_domain_of_two_words_are_found() -> None:
    assert any("computer science" in suits for suits, _ in read_pairs("frames.txt"))


def test_glosses_lose_pinyin_references_and_measure_words() -> None:
    assert (
        clean_gloss(["cat", "CL:隻|只[zhi1]", "(dialect) to hide oneself"])
        == "cat; (dialect) to hide oneself"
    )
    assert clean_gloss(["variant of 原原本本[yuan2 yuan2 ben3 ben3]"]) == ""
    assert clean_gloss(["surname Li"]) == ""
