"""From which value of one signal on another route would have been chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vsr.config.policy import Band, Bands, Decision, Input, Leaf, Partition, Policy, Projections, Score
from vsr.config.predicate import Predicate
from vsr.decisions.engine import Signals, winner
from vsr.decisions.flips import Flip, flips
from vsr.decisions.projections import project
from vsr.facts import Signal
from vsr.route import Route


def found(policy: Policy, *signals: Signal) -> list[Flip]:
    def choose(seen: Signals) -> Route:
        first = winner(policy, project(policy.projections, seen).signals)
        return Route("forward", "auto", decision=first.decision.name if first else "")

    return list(flips(policy, {signal.key: signal for signal in signals}, choose))


def told(flip: Flip) -> tuple[str, float | None, str]:
    return flip.name, flip.at, flip.decision


MATHS = Policy(decisions=(Decision("maths", 1, rules=Leaf("domain", "math")), Decision("rest")))


def test_a_signal_flips_at_its_threshold_in_either_direction() -> None:
    (flip,) = found(MATHS, Signal("domain", "math", False, 0.2, threshold=0.5))
    assert (flip.now, flip.at, flip.matched, flip.decision) == (0.2, 0.5, True, "maths")
    (flip,) = found(MATHS, Signal("domain", "math", True, 0.9, threshold=0.5))
    assert flip.at == pytest.approx(0.5, abs=1e-3)
    assert (flip.matched, flip.decision) == (False, "rest")


def test_a_signal_without_a_threshold_can_only_match_or_not() -> None:
    policy = Policy(decisions=(Decision("urgent", 1, rules=Leaf("keyword", "now")), Decision("rest")))
    (flip,) = found(policy, Signal("keyword", "now", False, 0.0))
    assert (flip.at, flip.matched, flip.decision) == (None, True, "urgent")


def test_a_signal_that_changes_nothing_is_not_told() -> None:
    policy = Policy(decisions=(Decision("rest", 9), Decision("maths", 1, rules=Leaf("domain", "math"))))
    assert found(policy, Signal("domain", "math", False, 0.2, threshold=0.5)) == []


def test_signals_that_nobody_asks_for_and_unavailable_ones_are_left_out() -> None:
    signals = Signal("keyword", "now", False), Signal("domain", "math", False, error="too slow")
    assert found(MATHS, *signals) == []


def test_a_predicate_flips_at_its_bound() -> None:
    leaf = Leaf("structure", "lines", predicate=Predicate(gt=10, lte=40))
    policy = Policy(decisions=(Decision("long", 1, rules=leaf), Decision("rest")))
    (flip,) = found(policy, Signal("structure", "lines", True, value=3.0))
    assert flip.at == pytest.approx(10.0, abs=0.01)
    below, above = sorted(
        found(policy, Signal("structure", "lines", True, value=20.0)), key=lambda f: f.at or 0
    )
    assert below.at == 10.0
    assert above.at == pytest.approx(40.0, abs=0.01)


@pytest.mark.parametrize("bound", [{"gt": 0.3}, {"gte": 0.123456}, {"lt": 0.123456}, {"lte": 0.3}])
@pytest.mark.parametrize("now", [0.05, 0.95])
def test_the_value_that_is_told_is_one_that_flips(bound: dict[str, float], now: float) -> None:
    leaf = Leaf("structure", "share", predicate=Predicate(**bound))
    policy = Policy(decisions=(Decision("some", 1, rules=leaf), Decision("rest")))
    before = Signal("structure", "share", True, value=now)
    (flip,) = found(policy, before)
    assert flip.at is not None
    first = winner(policy, {before.key: replace(before, value=flip.at)})
    assert first is not None
    assert first.decision.name == flip.decision
    assert flip.at == pytest.approx(next(iter(bound.values())), abs=2e-4)


def test_a_label_flips_at_the_bound_of_its_predicate() -> None:
    leaf = Leaf("classifier", "tone", label="angry", predicate=Predicate(gte=0.6))
    policy = Policy(decisions=(Decision("calm down", 1, rules=leaf), Decision("rest")))
    (flip,) = found(policy, Signal("classifier", "tone", False, 0.0, labels={"angry": 0.1}))
    assert (flip.label, flip.now, flip.at) == ("angry", 0.1, 0.6)


def test_a_signal_with_several_outcomes_flips_to_another_one() -> None:
    leaf = Leaf("complexity", "task", label="hard")
    policy = Policy(decisions=(Decision("think", 1, rules=leaf), Decision("rest")))
    (flip,) = found(policy, Signal("complexity", "task", True, 0.6, 0.1, label="easy", value=-0.2))
    assert (flip.label, flip.at, flip.decision) == ("hard", None, "think")


def test_a_flip_is_found_through_scores_and_bands() -> None:
    steps = (
        Score("effort", (Input("embedding", "proof", 0.5, "confidence"), Input("keyword", "brief", -0.2))),
        Bands("band", "effort", (Band("deep", Predicate(gte=0.3)),)),
    )
    policy = Policy(
        projections=Projections(steps=steps),
        decisions=(Decision("think", 1, rules=Leaf("projection", "deep")), Decision("rest")),
    )
    signals = Signal("embedding", "proof", True, 0.5, threshold=0.4), Signal("keyword", "brief", False, 0.0)
    (flip,) = found(policy, *signals)
    assert flip.at == pytest.approx(0.6, abs=1e-3)
    assert flip.decision == "think"
    both = found(policy, Signal("embedding", "proof", True, 0.7, threshold=0.4), signals[1])
    assert {(flip.name, flip.decision) for flip in both} == {("proof", "rest"), ("brief", "rest")}


def test_a_flip_is_found_where_a_member_of_a_partition_overtakes_another() -> None:
    policy = Policy(
        projections=Projections(partitions=(Partition("field", "domain", ("math", "law")),)),
        decisions=(
            Decision("maths", 1, rules=Leaf("domain", "math")),
            Decision("laws", 1, rules=Leaf("domain", "law")),
        ),
    )
    signals = Signal("domain", "math", True, 0.7, 0.3), Signal("domain", "law", True, 0.4, 0.3)
    overtaken = [told(flip) for flip in found(policy, *signals)]
    assert ("law", 0.7, "laws") in [(name, round(at or 0, 2), decision) for name, at, decision in overtaken]
