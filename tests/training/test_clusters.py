"""Texts that share four fifths of their pieces are found among many, and chains of them are one cluster."""

from __future__ import annotations

from vsr.training.clusters import clusters

SENTENCE = "the quick brown fox jumps over the lazy dog near the old river bank at dawn"


def test_near_duplicates_share_a_number_and_others_have_their_own() -> None:
    texts = [
        SENTENCE,
        "something else entirely, about cooking",
        f"Well, {SENTENCE}!",
        "再来一个完全不同的句子",
    ]
    assert clusters(texts) == [0, 1, 0, 3]


def test_chinese_is_compared_by_characters() -> None:
    long = "怎样计算一个三角形的面积和周长并且画出它的图"
    assert clusters([f"问{long}？", long, "怎样画一只猫"]) == [0, 0, 2]


def test_chains_of_near_duplicates_are_one_cluster() -> None:
    words = SENTENCE.split()
    texts = [" ".join(words[start : start + 13]) for start in range(4)]
    assert set(clusters(texts)) == {0}


def test_two_fillings_of_one_template_are_no_duplicates() -> None:
    frame = "write an e-mail that asks an expert about {} and what it would cost us to begin"
    assert clusters([frame.format("pcb traces"), frame.format("tort law")]) == [0, 1]


def test_texts_without_words_are_no_duplicates() -> None:
    assert clusters(["", "!!!", "?"]) == [0, 1, 2]
