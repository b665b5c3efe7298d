from __future__ import annotations

from dataclasses import replace

import pytest

from tests.selection.pool import asking, decision, model, policy
from vsr.config.policy import (
    Choosing,
    Learning,
    ModelRef,
    MultiFactor,
    Policy,
    Pricing,
    Protection,
    RouterDC,
)
from vsr.selection.choice import Choice, Unselectable
from vsr.selection.choose import choose
from vsr.selection.sessions import Pin
from vsr.selection.state import NOTHING_KNOWN, State

SMALL, LARGE = model("small", 0.6, 1.0), model("large", 0.9, 10.0)
POLICY = policy(SMALL, LARGE)
REFS = decision(SMALL, LARGE).models
BY_QUALITY = Choosing(MultiFactor(quality=1, latency=0, cost=0, load=0))
PROTECTED = Learning(protection=Protection(enabled=True))


def chosen(
    choosing: Choosing = BY_QUALITY, given: Policy = POLICY, pin: Pin | None = None, tokens: int = 1000
) -> Choice:
    return choose(REFS, choosing, asking(tokens=tokens), given, replace(NOTHING_KNOWN, pin=pin))


def test_the_choice_names_its_algorithm_and_scores() -> None:
    assert chosen() == Choice("large", algorithm="multi_factor", scores={"small": 0.0, "large": 1.0})


def test_an_algorithm_that_cannot_choose_leaves_it_to_the_static_one() -> None:
    choice = chosen(Choosing(RouterDC()))
    assert (choice.model, choice.algorithm) == ("small", "static")
    assert choice.reason == "router_dc could not choose: the encoder gave no embedding; static choice"


@pytest.mark.parametrize(
    "choosing",
    [Choosing(RouterDC(), "fail"), Choosing(MultiFactor(max_cost=0.1, on_no_candidates="fail"), "skip")],
)
def test_nothing_is_chosen_where_the_operator_wants_no_substitute(choosing: Choosing) -> None:
    with pytest.raises(Unselectable):
        chosen(choosing)


def test_a_model_whose_context_window_is_too_small_is_no_candidate() -> None:
    given = policy(SMALL, model("large", 0.9, 10.0, window=4096))
    assert chosen(given=given, tokens=4096).model == "large"
    assert chosen(given=given, tokens=4097).model == "small"


def test_reasoning_of_the_chosen_reference_is_kept() -> None:
    refs = (ModelRef("small"), ModelRef("large", use_reasoning=True, reasoning_effort="high"))
    choice = choose(refs, BY_QUALITY, asking(), POLICY, NOTHING_KNOWN)
    assert (choice.reasoning, choice.effort) == (True, "high")


def test_a_tool_loop_keeps_its_model() -> None:
    pin = Pin("small", tool_loop=True)
    choice = chosen(pin=pin)
    assert (choice.model, choice.reason) == ("small", "a tool loop keeps its model")
    assert chosen(pin=replace(pin, tool_loop=False)).model == "large"
    free = replace(POLICY, learning=Learning(tool_loops=False))
    assert chosen(given=free, pin=pin).model == "large"


def test_a_tool_loop_does_not_lead_to_a_model_that_the_decision_does_not_allow() -> None:
    given = policy(SMALL, LARGE, model("third"))
    assert chosen(given=given, pin=Pin("third", tool_loop=True)).model == "large"


def test_a_session_leaves_its_model_only_for_a_gain_above_the_lost_cache() -> None:
    prices = policy(
        replace(SMALL, pricing=Pricing(1.0, 1.0, cached_input=0.1)),
        replace(LARGE, pricing=Pricing(1.0, 1.0)),
        learning=replace(PROTECTED, protection=replace(PROTECTED.protection, stability_weight=1.2)),
    )
    cold, warm = Pin("small", tokens=0, turns=3), Pin("small", tokens=900, turns=3)
    assert chosen(given=prices, pin=cold).model == "large"
    kept = chosen(given=prices, pin=warm)
    assert (kept.model, kept.reason) == (
        "small",
        "the session keeps its model: gain 1.000, switching costs 1.022",
    )


@pytest.mark.parametrize(
    ("pin", "model_name"),
    [
        (Pin("small", tokens=1000, turns=3, idle=301), "large"),  # the cache is cold by now
        (Pin("small", tokens=0, turns=0), "small"),  # no turn yet
        (Pin("large", tokens=1000, turns=3), "large"),
    ],
)
def test_protection_ends_with_idleness_and_begins_with_a_turn(pin: Pin, model_name: str) -> None:
    protection = Protection(enabled=True, stability_weight=2.0)
    assert (
        chosen(given=replace(POLICY, learning=Learning(protection=protection)), pin=pin).model == model_name
    )


def test_choosing_is_pure() -> None:
    state = State(pin=Pin("small", tool_loop=True))
    first = choose(REFS, BY_QUALITY, asking(), POLICY, state)
    assert first == choose(REFS, BY_QUALITY, asking(), POLICY, state)
