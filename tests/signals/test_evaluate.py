"""Configured rules over what was read."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Literal

import pytest

from vsr.config.policy import DomainRule, JailbreakRule, KeywordRule, PiiRule, Policy, Signals
from vsr.content import Content
from vsr.facts import Entity, Passage, Readings, Role, Signal, WindowRisk
from vsr.signals.engine import SignalEngine
from vsr.signals.evidence import Evidence

NOTHING_READ = Readings()
POINTS = {"any": 0.9, "system": 0.99}


def passage(text: str, role: Role = "user") -> Passage:
    return Passage(role, Content(text), ())


def signals(
    rules: Signals,
    *,
    passages: tuple[Passage, ...] = (passage("hi"),),
    readings: Readings | None = NOTHING_READ,
    ask: tuple[int, ...] = (0,),
    entities: tuple[Entity, ...] = (),
    points: dict[str, float] = POINTS,
) -> dict[tuple[str, str], Signal]:
    evidence = Evidence(
        passages,
        ask,
        readings=readings,
        error="too slow",
        entities=entities,
        operating_points=points,
    )
    policy = Policy(signals=rules)
    return asyncio.run(SignalEngine(policy).compute(policy, evidence, everything=True))


def keyword(operator: Literal["AND", "OR", "NOR"], *words: str) -> Signals:
    patterns = tuple(re.compile(word) for word in words)
    return Signals(keywords=(KeywordRule("k", operator, words, patterns),))


@pytest.mark.parametrize(
    ("operator", "text", "matched"),
    [
        ("OR", "a bug", True),
        ("OR", "nothing", False),
        ("AND", "a bug", False),
        ("AND", "a bug and a crash", True),
        ("NOR", "a bug", False),
        ("NOR", "nothing", True),
    ],
)
def test_keywords_combine_by_their_operator(
    operator: Literal["AND", "OR", "NOR"], text: str, matched: bool
) -> None:
    signal = signals(keyword(operator, "bug", "crash"), passages=(passage(text),))["keyword", "k"]
    assert (signal.matched, signal.confidence) == (matched, 1.0)


def test_keywords_look_at_the_ask_only_and_say_how_many_they_found() -> None:
    passages = (passage("crash", "system"), passage("a bug"))
    signal = signals(keyword("AND", "bug", "crash"), passages=passages, ask=(1,))["keyword", "k"]
    assert not signal.matched
    assert signal.detail == "1 of 2 keywords found"


MATH = DomainRule("math", frozenset({"math"}), 0.5)
SCIENCE = DomainRule("science", frozenset({"physics", "chemistry"}), 0.5)
OTHER = DomainRule("other", frozenset({"other"}), 0.5)


def test_a_domain_holds_when_its_likeliest_class_reaches_the_threshold() -> None:
    readings = Readings(domain={"physics": 0.6, "chemistry": 0.2, "math": 0.2})
    result = signals(Signals(domains=(MATH, SCIENCE, OTHER)), readings=readings)
    assert result["domain", "science"].matched
    assert result["domain", "science"].confidence == 0.6
    assert result["domain", "science"].detail == "as physics"
    assert not result["domain", "math"].matched
    assert not result["domain", "other"].matched


def test_classes_of_one_domain_do_not_add_up() -> None:
    readings = Readings(domain={"physics": 0.4, "chemistry": 0.4, "math": 0.2})
    assert not signals(Signals(domains=(SCIENCE,)), readings=readings)["domain", "science"].matched


def test_the_fallback_category_holds_when_no_domain_does() -> None:
    readings = Readings(domain={"math": 0.4, "other": 0.1})
    other = signals(Signals(domains=(MATH, OTHER)), readings=readings)["domain", "other"]
    assert (other.matched, other.confidence) == (True, 0.1)


def test_the_worst_window_decides_a_jailbreak() -> None:
    readings = Readings(jailbreak=(WindowRisk(0, 0.2), WindowRisk(0, 0.95), WindowRisk(0, 0.1)))
    signal = signals(Signals(jailbreaks=(JailbreakRule("j"),)), readings=readings)["jailbreak", "j"]
    assert (signal.matched, signal.confidence, signal.threshold) == (True, 0.95, 0.9)


def test_a_rules_own_threshold_replaces_the_operating_point() -> None:
    readings = Readings(jailbreak=(WindowRisk(0, 0.6),))
    rules = Signals(jailbreaks=(JailbreakRule("strict", 0.5), JailbreakRule("bundle")))
    result = signals(rules, readings=readings)
    assert result["jailbreak", "strict"].matched
    assert not result["jailbreak", "bundle"].matched


def test_system_passages_are_held_against_their_own_operating_point() -> None:
    passages = (passage("never reveal", "system"), passage("hi"))
    readings = Readings(jailbreak=(WindowRisk(0, 0.95), WindowRisk(1, 0.1)))
    rules = Signals(jailbreaks=(JailbreakRule("j", 0.5),))
    signal = signals(rules, passages=passages, readings=readings, ask=(1,))["jailbreak", "j"]
    assert (signal.matched, signal.threshold) == (False, 0.99)


def test_a_riskier_system_passage_below_its_point_does_not_hide_an_attack() -> None:
    passages = (passage("never reveal", "system"), passage("attack"))
    readings = Readings(jailbreak=(WindowRisk(0, 0.95), WindowRisk(1, 0.92)))
    rules = Signals(jailbreaks=(JailbreakRule("j"),))
    signal = signals(rules, passages=passages, readings=readings, ask=(1,))["jailbreak", "j"]
    assert (signal.matched, signal.confidence) == (True, 0.92)


def test_without_history_only_windows_of_the_ask_count() -> None:
    passages = (passage("old"), passage("new"))
    rules = Signals(jailbreaks=(JailbreakRule("j", include_history=False),))
    old = Readings(jailbreak=(WindowRisk(0, 0.99), WindowRisk(1, 0.99, bridging=True), WindowRisk(1, 0.1)))
    assert not signals(rules, passages=passages, readings=old, ask=(1,))["jailbreak", "j"].matched
    new = replace(old, jailbreak=(WindowRisk(1, 0.99),))
    assert signals(rules, passages=passages, readings=new, ask=(1,))["jailbreak", "j"].matched


def test_without_an_operating_point_a_jailbreak_rule_is_unavailable() -> None:
    signal = signals(Signals(jailbreaks=(JailbreakRule("j"),)), points={})["jailbreak", "j"]
    assert signal.error
    assert not signal.matched


MAIL = Entity("EMAIL_ADDRESS", 0, 0, 5, 0.99, "pattern")
PERSON = Entity("PERSON", 0, 6, 9, 0.6)


def test_personal_data_of_an_allowed_type_does_not_match() -> None:
    rules = Signals(piis=(PiiRule("strict"), PiiRule("lax", allowed=frozenset({"EMAIL_ADDRESS", "PERSON"}))))
    result = signals(rules, entities=(MAIL, PERSON))
    assert result["pii", "strict"].matched
    assert result["pii", "strict"].detail == "EMAIL_ADDRESS 1, PERSON 1"
    assert not result["pii", "lax"].matched


def test_personal_data_below_the_rules_threshold_does_not_match() -> None:
    rules = Signals(piis=(PiiRule("sure", threshold=0.9),))
    assert not signals(rules, entities=(PERSON,))["pii", "sure"].matched


def test_personal_data_of_the_history_may_be_left_out() -> None:
    rules = Signals(piis=(PiiRule("now", include_history=False),))
    assert not signals(rules, entities=(MAIL,), ask=())["pii", "now"].matched


def test_a_silent_encoder_gives_errors_where_it_is_needed_and_only_there() -> None:
    rules = Signals(
        domains=(MATH, OTHER),
        jailbreaks=(JailbreakRule("j"),),
        piis=(PiiRule("p"),),
        keywords=keyword("OR", "hi").keywords,
    )
    result = signals(rules, readings=None)
    assert result["keyword", "k"].matched
    assert {key for key, signal in result.items() if signal.error == "too slow"} == {
        ("domain", "math"),
        ("domain", "other"),
        ("jailbreak", "j"),
        ("pii", "p"),
    }
    assert not any(signal.matched for signal in result.values() if signal.error)


def test_what_patterns_found_counts_without_the_encoder() -> None:
    signal = signals(Signals(piis=(PiiRule("p"),)), readings=None, entities=(MAIL,))["pii", "p"]
    assert signal.matched
    assert not signal.error
