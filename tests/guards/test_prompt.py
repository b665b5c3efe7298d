"""What the prompt guard says of the risks that were read."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from vsr.config.patterns import raw_pattern
from vsr.config.policy import PromptGuard, RemoteGuard
from vsr.config.policy_services import Service
from vsr.content import Content
from vsr.facts import REMOTE_GUARD, Facts, Passage, Readings, Role, Signal, WindowRisk
from vsr.guards.prompt import assess_prompt

POINTS = {"any": 0.9, "system": 0.99}


def facts(*windows: WindowRisk, roles: tuple[Role, ...] = ("system", "user"), **points: float) -> Facts:
    passages = tuple(Passage(role, Content(f"text of {role}"), ()) for role in roles)
    return Facts(passages, Readings(jailbreak=windows), {}, operating_points=points or POINTS)


UNREAD = Facts((), None, {}, encoder_error="too slow", operating_points=POINTS)


def test_one_risky_window_is_enough() -> None:
    finding = assess_prompt(facts(WindowRisk(1, 0.1), WindowRisk(1, 0.95)), PromptGuard())
    assert (finding.state, finding.score, finding.threshold) == ("violating", 0.95, 0.9)
    assert finding.acts


def test_every_role_is_judged() -> None:
    for role in ("user", "assistant", "tool", "other"):
        assert assess_prompt(facts(WindowRisk(0, 0.95), roles=(role,)), PromptGuard()).state == "violating"


def test_a_system_prompt_has_an_operating_point_of_its_own() -> None:
    assert assess_prompt(facts(WindowRisk(0, 0.95), WindowRisk(1, 0.2)), PromptGuard()).state == "clean"
    assert assess_prompt(facts(WindowRisk(0, 0.995)), PromptGuard()).state == "violating"


def test_configured_thresholds_replace_the_operating_points() -> None:
    guard = PromptGuard(threshold=0.5, system_threshold=0.6)
    assert assess_prompt(facts(WindowRisk(1, 0.55)), guard).state == "violating"
    assert assess_prompt(facts(WindowRisk(0, 0.55)), guard).state == "clean"
    assert assess_prompt(facts(WindowRisk(0, 0.65)), guard).state == "violating"


def test_shadow_mode_finds_and_does_not_act() -> None:
    finding = assess_prompt(facts(WindowRisk(1, 0.95)), PromptGuard(mode="shadow"))
    assert (finding.state, finding.acts) == ("violating", False)
    assert not assess_prompt(UNREAD, PromptGuard(mode="shadow")).acts


def test_a_guard_that_is_off_finds_nothing() -> None:
    assert assess_prompt(facts(WindowRisk(1, 0.99)), PromptGuard(mode="off")).state == "clean"
    assert assess_prompt(UNREAD, PromptGuard(mode="off")).state == "clean"


def test_an_unread_request_is_unavailable_unless_the_policy_lets_it_pass() -> None:
    finding = assess_prompt(UNREAD, PromptGuard())
    assert (finding.state, finding.acts) == ("unavailable", True)
    allowed = assess_prompt(UNREAD, PromptGuard(on_unavailable="allow"))
    assert allowed.state == "clean"
    assert "too slow" in allowed.reason


@pytest.mark.parametrize(
    ("own", "others", "head_failed", "state"),
    [
        ("refuse", "allow", True, "unavailable"),
        ("refuse", "allow", False, "clean"),
        ("allow", "refuse", True, "clean"),
        ("allow", "refuse", False, "unavailable"),
    ],
)
def test_of_two_guards_the_one_that_could_not_judge_follows_its_own_switch(
    own: Literal["refuse", "allow"], others: Literal["refuse", "allow"], head_failed: bool, state: str
) -> None:
    remote = RemoteGuard(Service("warden", "http://w"), "http_classify", ("jailbreak",), 0.5, others)
    said = Signal(*REMOTE_GUARD, False, 0.0, 0.5, error="" if head_failed else "EncoderTimeout")
    seen = replace(UNREAD if head_failed else facts(WindowRisk(1, 0.1)), signals={REMOTE_GUARD: said})
    finding = assess_prompt(seen, PromptGuard(on_unavailable=own, remote=remote))
    assert finding.state == state
    assert ("too slow" if head_failed else "EncoderTimeout") in finding.reason


def test_without_any_threshold_the_guard_is_unavailable() -> None:
    assert assess_prompt(facts(WindowRisk(1, 0.1), other=0.5), PromptGuard()).state == "unavailable"


def test_an_allowed_passage_is_exempt_only_from_end_to_end() -> None:
    whole = PromptGuard(allow_list=(raw_pattern("text of user"),))
    part = PromptGuard(allow_list=(raw_pattern("text of"),))
    risky = facts(WindowRisk(1, 0.95))
    assert assess_prompt(risky, whole).state == "clean"
    assert assess_prompt(risky, part).state == "violating"


def test_a_window_that_bridges_into_an_allowed_passage_is_still_judged() -> None:
    guard = PromptGuard(allow_list=(raw_pattern("text of user"),))
    bridging = facts(WindowRisk(1, 0.95, bridging=True), roles=("assistant", "user"))
    assert assess_prompt(bridging, guard).state == "violating"


def test_a_request_without_text_is_clean() -> None:
    assert assess_prompt(facts(roles=()), PromptGuard()).state == "clean"


def test_what_the_text_was_read_through_is_told() -> None:
    finding = assess_prompt(facts(WindowRisk(1, 0.1), WindowRisk(1, 0.95, disguise="hex")), PromptGuard())
    assert "read through hex" in finding.reason
