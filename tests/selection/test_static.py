"""Choosing a model by what the configuration says of it."""

from __future__ import annotations

from vsr.config.policy import DomainRule, ModelRef, ModelScore, Policy, Signals
from vsr.selection.choice import Choice
from vsr.selection.static import select, select_by_category

MATH = DomainRule(
    "math",
    frozenset({"math"}),
    0.5,
    (
        ModelScore("general-8b", 0.6),
        ModelScore("math-7b", 0.9, use_reasoning=True, reasoning_effort="high"),
        ModelScore("math-7b", 0.95, lora="proofs"),
    ),
)
POLICY = Policy(signals=Signals(domains=(MATH, DomainRule("law", frozenset({"law"}), 0.5))))


def test_the_candidate_with_the_best_score_of_the_category_is_chosen() -> None:
    choice = select((ModelRef("general-8b"), ModelRef("math-7b")), "math", POLICY)
    assert (choice.model, choice.lora) == ("math-7b", "proofs")
    assert choice.scores == {"general-8b": 0.6, "proofs": 0.95}


def test_a_named_lora_is_not_swapped_for_another() -> None:
    choice = select((ModelRef("math-7b", lora="algebra"),), "math", POLICY)
    assert (choice.lora, choice.reasoning, choice.effort) == ("algebra", True, "high")


def test_without_scores_the_first_candidate_is_chosen() -> None:
    candidates = (ModelRef("law-13b", use_reasoning=True, reasoning_effort="low"), ModelRef("general-8b"))
    expected = Choice("law-13b", reasoning=True, effort="low")
    assert select(candidates, "law", POLICY) == expected
    assert select(candidates, "unheard of", POLICY) == expected


def test_a_candidate_without_a_score_loses_to_one_with() -> None:
    assert select((ModelRef("law-13b"), ModelRef("general-8b")), "math", POLICY).model == "general-8b"


def test_without_a_decision_the_best_score_of_the_category_chooses() -> None:
    choice = select_by_category("math", POLICY)
    assert choice is not None
    assert (choice.model, choice.lora, choice.reasoning) == ("math-7b", "proofs", False)
    assert select_by_category("law", POLICY) is None
    assert select_by_category("unheard of", POLICY) is None
