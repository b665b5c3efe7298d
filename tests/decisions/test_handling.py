"""Which verdicts a decision takes care of itself."""

from __future__ import annotations

import pytest

from vsr.config.policy import Band, Bands, Branch, Input, Leaf, Policy, Projections, RuleNode, Score
from vsr.config.predicate import Predicate
from vsr.decisions.engine import match
from vsr.decisions.handling import handled
from vsr.decisions.projections import project
from vsr.facts import Signal

MATH = Leaf("domain", "math")
URGENT = Leaf("keyword", "urgent")
ATTACK = Leaf("jailbreak", "attack")
CONTAIN = Leaf("projection", "contain")
SIGNALS = {
    signal.key: signal
    for signal in (
        Signal("domain", "math", True, 0.8),
        Signal("keyword", "urgent", True, 1.0),
        Signal("jailbreak", "attack", True, 0.97),
    )
}
CALM = SIGNALS | {ATTACK.key: Signal("jailbreak", "attack", False, 0.1)}


def by_score(weight: float) -> Policy:
    """Contained from a score of 0.5 on, to which the urgent keyword gives 0.4 and the attack `weight`."""
    inputs = (Input("keyword", "urgent", 0.4), Input("jailbreak", "attack", weight))
    mapping = Bands("risk", "danger", (Band("contain", Predicate(gte=0.5)),))
    return Policy(projections=Projections(steps=(Score("danger", inputs), mapping)))


def verdicts(
    rules: RuleNode | None, signals: dict[tuple[str, str], Signal], policy: Policy | None = None
) -> set[str]:
    policy = policy or Policy()
    return set(handled(rules, policy, signals, project(policy.projections, signals).signals))


def test_a_decision_reached_by_a_verdict_handles_it() -> None:
    assert verdicts(ATTACK, SIGNALS) == {"jailbreak"}
    assert verdicts(Branch("OR", (MATH, Branch("AND", (ATTACK, URGENT)))), SIGNALS) == {"jailbreak"}


def test_a_verdict_off_the_satisfied_part_of_the_tree_is_not_handled() -> None:
    unmet = Branch("AND", (ATTACK, Leaf("domain", "law")))
    assert not verdicts(Branch("OR", (MATH, unmet)), SIGNALS)
    assert not verdicts(unmet, SIGNALS)
    assert not verdicts(ATTACK, CALM)
    assert not verdicts(None, SIGNALS)


def test_a_predicate_that_a_clean_verdict_meets_too_does_not_handle_it() -> None:
    assert not verdicts(Leaf("jailbreak", "attack", predicate=Predicate(lt=0.99)), SIGNALS)
    assert verdicts(Leaf("jailbreak", "attack", predicate=Predicate(gte=0.9)), SIGNALS) == {"jailbreak"}


@pytest.mark.parametrize("kind", ["jailbreak", "pii"])
def test_a_leaf_that_holds_because_its_signal_is_unavailable_handles_nothing(kind: str) -> None:
    leaf = Leaf(kind, "it", on_error="match")
    away = {leaf.key: Signal(kind, "it", False, 0.0, error="Overloaded")}
    assert match(leaf, away).matched
    assert not verdicts(leaf, away)


def test_a_verdict_under_a_not_is_not_handled() -> None:
    double = Branch("NOT", (Branch("NOT", (ATTACK,)),))
    assert match(double, SIGNALS).matched
    assert not verdicts(double, SIGNALS)
    assert not verdicts(Branch("NOT", (ATTACK,)), CALM)


def test_a_projection_that_holds_because_of_a_verdict_handles_it() -> None:
    assert verdicts(CONTAIN, SIGNALS, by_score(0.3)) == {"jailbreak"}


def test_a_projection_that_would_hold_without_the_verdict_does_not_handle_it() -> None:
    policy = by_score(-0.0)
    strong = SIGNALS | {URGENT.key: Signal("keyword", "urgent", True)}
    assert not verdicts(CONTAIN, strong, policy)
    inputs = (Input("keyword", "urgent", 0.9), Input("jailbreak", "attack", 0.3))
    mapping = Bands("risk", "danger", (Band("contain", Predicate(gte=0.5)),))
    sure = Policy(projections=Projections(steps=(Score("danger", inputs), mapping)))
    assert not verdicts(CONTAIN, SIGNALS, sure)
