"""What a person is told about a decision."""

from __future__ import annotations

import json
import re

from vsr.config.policy import Band, Bands, Branch, Decision, Input, Leaf, ModelRef, Policy, Projections, Score
from vsr.config.predicate import Predicate
from vsr.content import Content
from vsr.decisions.trace import Trace, trace
from vsr.facts import Coverage, Entity, Facts, Passage, Readings, Signal
from vsr.route import Finding, Route, SystemPrompt

MATH = Leaf("domain", "math")
URGENT = Leaf("keyword", "urgent")
ATTACK = Leaf("jailbreak", "attack")
HARD = Leaf("complexity", "task", label="hard")
BAND = Band("deep", Predicate(gte=0.4))

POLICY = Policy(
    decisions=(
        Decision("maths", 10, rules=MATH, models=(ModelRef("math-7b"),)),
        Decision("urgent-maths", 20, rules=Branch("AND", (MATH, URGENT))),
        Decision("calm", 5, rules=Branch("NOT", (MATH,))),
        Decision("attack", 30, rules=Branch("OR", (ATTACK, Leaf("pii", "any")))),
        Decision("rest"),
    )
)
SIGNALS = (
    Signal("domain", "math", True, 0.91, 0.5),
    Signal("keyword", "urgent", False, detail="0 of 1 keywords found"),
    Signal("jailbreak", "attack", False, 0.12, 0.9),
    Signal("pii", "any", False, error="too slow"),
)


def traced() -> Trace:
    facts = Facts(
        passages=(Passage("user", Content("the canary sings to bob@example.com"), ()),),
        readings=Readings(
            {"law": 0.09, "math": 0.91}, coverage=Coverage(9, 1, unread=("image",)), seconds=0.002
        ),
        signals={signal.key: signal for signal in SIGNALS},
        entities=(Entity("EMAIL_ADDRESS", 0, 20, 35, 0.99), Entity("EMAIL_ADDRESS", 0, 0, 3, 0.9)),
        operating_points={"any": 0.9},
        seconds=0.003,
    )
    route = Route(
        "forward",
        "auto",
        model="math-7b",
        decision="maths",
        plugins=(SystemPrompt("You are a canary."),),
        findings=(
            Finding("jailbreak", "clean", 0.12, 0.9),
            Finding("pii", "clean", types=("EMAIL_ADDRESS",)),
        ),
        scores={"math-7b": 0.9},
    )
    return trace(POLICY, facts, lambda _: route)


def why(name: str) -> str:
    return next(decision.why for decision in traced().decisions if decision.name == name)


def test_winner_and_runner_up_are_named() -> None:
    result = traced()
    assert (result.winner, result.runner_up) == ("maths", "rest")
    assert why("maths") == ""
    assert why("rest") == "holds, but maths comes first by priority"


def test_a_decision_that_does_not_hold_says_which_condition_failed() -> None:
    assert why("urgent-maths") == "keyword:urgent does not hold (0 of 1 keywords found)"
    assert why("calm") == "domain:math holds and must not"
    assert why("attack") == (
        "none of: jailbreak:attack is 0.12, below 0.90; pii:any is unavailable: too slow"
    )


def test_a_rule_tree_shows_which_leaves_held() -> None:
    tree = next(decision.rules for decision in traced().decisions if decision.name == "urgent-maths")
    assert tree is not None
    assert not tree.held
    assert [(leaf.rule, leaf.held) for leaf in tree.children] == [
        ("domain:math", True),
        ("keyword:urgent", False),
    ]


def test_an_unmet_predicate_says_what_the_value_is() -> None:
    leaf = Leaf("structure", "lines", predicate=Predicate(gte=10))
    policy = Policy(decisions=(Decision("long", rules=leaf), Decision("hard", rules=HARD)))
    signals = (
        Signal("structure", "lines", True, value=3.0),
        Signal("complexity", "task", True, 0.4, label="easy"),
    )
    facts = Facts((), None, {signal.key: signal for signal in signals})
    told = trace(policy, facts, lambda _: Route("forward", "auto")).decisions
    assert [decision.why for decision in told] == [
        "structure:lines is 3, not >= 10",
        "complexity:task:hard does not hold: the label is easy",
    ]


def test_annotations_and_projected_signals_are_told() -> None:
    steps = (Score("effort", (Input("domain", "math", 0.5),)), Bands("m", "effort", (BAND,)))
    policy = Policy(
        projections=Projections(steps=steps),
        decisions=(Decision("deep", rules=Leaf("projection", "deep"), annotations={"owner": "me"}),),
    )
    facts = Facts((), None, {SIGNALS[0].key: SIGNALS[0]})
    told = trace(policy, facts, lambda _: Route("forward", "auto")).as_dict()
    assert told["scores"] == {"effort": [0.5, 0.5]}
    assert told["decisions"][0]["annotations"] == {"owner": "me"}
    assert told["decisions"][0]["matched_rules"] == ["projection:deep"]
    assert told["signals"][1]["detail"] == "effort is 0.500"


def test_a_trace_is_plain_json_and_complete() -> None:
    told = json.loads(json.dumps(traced().as_dict()))
    assert told["categories"] == {"math": 0.91, "law": 0.09}
    assert list(told["categories"]) == ["math", "law"]
    assert told["entities"] == {"EMAIL_ADDRESS": 2}
    assert told["coverage"]["unread"] == ["image"]
    assert told["selection_scores"] == {"math-7b": 0.9}
    assert told["seconds"] == {"judge": 0.003, "encoder": 0.002}
    assert [finding["guard"] for finding in told["findings"]] == ["jailbreak", "pii"]
    assert told["route"]["plugins"] == ["system_prompt"]
    assert len(told["decisions"]) == 5
    assert len(told["signals"]) == 4


def test_a_trace_holds_no_text() -> None:
    assert not re.search("canary|bob", json.dumps(traced().as_dict()) + repr(traced().signals))


def test_without_readings_the_trace_says_why() -> None:
    facts, route = Facts((), None, {}, encoder_error="overloaded"), Route("unavailable", "auto")
    told = trace(POLICY, facts, lambda _: route).as_dict()
    assert told["encoder_error"] == "overloaded"
    assert told["coverage"] is None
    assert told["winner"] == "calm"
