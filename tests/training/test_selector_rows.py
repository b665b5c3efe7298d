"""What a selector may learn from when others are held out."""

from __future__ import annotations

import pytest

from vsr.errors import SelectorError
from vsr.training.copies import find_copies
from vsr.training.outcomes import Row
from vsr.training.selector_rows import admit


def rows(*prompts: str) -> list[Row]:
    return [Row(prompt, {"a": 1, "b": 0}) for prompt in prompts]


def test_a_question_counts_as_a_copy_whatever_its_options_and_case() -> None:
    copies = find_copies(rows("What is 2+2?", "Another"), rows("what is  2 + 2 ?\nA. 3\nB. 4"))
    assert copies.exact.tolist() == [True, False]
    assert copies.near.tolist() == [False, False]


@pytest.mark.parametrize(
    ("question", "near"),
    [
        ("A farmer sold 400 acres of good land to his elder son for one dollar last spring.", True),
        ("A widow sold 400 acres of good land to a friend for one dollar last spring.", False),
        ("A farmer sold his truck to a dealer who sold it on to a farmer.", False),
        ("", False),
    ],
)
def test_a_question_that_shares_half_of_its_pieces_is_a_near_copy(question: str, near: bool) -> None:
    known = rows("A farmer sold 100 acres of good land to his elder son for one dollar last spring.")
    assert find_copies(rows(question), known).near.tolist() == [near]


def test_characters_are_the_words_of_chinese() -> None:
    known = rows("小明有五个苹果，他给了小红两个，还剩几个？")
    copies = find_copies(rows("小明有七个苹果，他给了小红两个，还剩几个？", "今天天气很好"), known)
    assert copies.near.tolist() == [True, False]


def test_an_opening_that_many_questions_have_makes_no_near_copy() -> None:
    subjects = [f"topic{number}" for number in range(60)]
    known = rows(*(f"Which of the following is true about {subject}" for subject in subjects))
    found = find_copies(rows("Which of the following is true about monopolies"), known)
    assert not found.near.any()


def test_questions_and_models_that_are_held_out_are_not_learnt_from() -> None:
    given = [Row("one question here", {"a": 1, "b": 0}), Row("quite another matter", {"a": 0, "b": 0})]
    admitted = admit(given, [Row("One question here!", {"b": 1, "c": 1})])
    assert admitted.kept.tolist() == [False, True]
    assert admitted.models == ("a",)
    assert admitted.report["models_left_out"] == ["b"]
    assert admitted.report["copies_left_out"] == 1


def test_questions_alone_can_be_held_out() -> None:
    given, others = rows("one question here", "quite another matter"), rows("one question here")
    with pytest.raises(SelectorError, match="--keep-models"):
        admit(given, others)
    admitted = admit(given, others, keep_models=True)
    assert (admitted.models, admitted.kept.tolist()) == (("a", "b"), [False, True])


def test_held_out_rows_that_hold_everything_are_refused() -> None:
    with pytest.raises(SelectorError, match="every question"):
        admit(rows("one question here"), rows("one question here"), keep_models=True)


def test_rows_and_models_that_are_left_without_an_outcome_are_not_learnt_from() -> None:
    given = [
        Row("one question here", {"a": 1, "b": 0}),
        Row("quite another matter", {"b": 1}),
        Row("a question held out", {"c": 1}),
    ]
    admitted = admit(given, [Row("a question held out", {"b": 1})])
    assert admitted.kept.tolist() == [True, False, False]
    assert admitted.models == ("a",)
    assert (admitted.report["rows"], admitted.report["unanswered_left_out"]) == (1, 1)
    assert admitted.report["models_left_out"] == ["b", "c"]
    with pytest.raises(SelectorError, match="no question that is left"):
        admit(given[1:], [Row("a question held out", {"b": 1})])


def test_without_held_out_rows_all_is_learnt_from() -> None:
    admitted = admit(rows("x", "y"), [])
    assert admitted.kept.all()
    assert admitted.models == ("a", "b")
