from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from tests.selection.pool import asking, decision, model, policy
from tests.selection.pool import model as model_of
from vsr.config.policy import (
    Algorithm,
    Choosing,
    Learning,
    ModelRef,
    MultiFactor,
    Policy,
    Pricing,
    Prompt,
    Protection,
    RouterDC,
    Static,
    Staying,
)
from vsr.selection.choice import Choice, Unselectable
from vsr.selection.choose import SCORING, choose, must_ask
from vsr.selection.sessions import Pin
from vsr.selection.state import NOTHING_KNOWN, Advice, State

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


@pytest.mark.parametrize("choosing", [Choosing(RouterDC(), "fail"), Choosing(Prompt("guide"))])
def test_a_tool_loop_keeps_its_model_where_the_algorithm_could_not_choose(choosing: Choosing) -> None:
    choice = chosen(choosing, pin=Pin("large", tool_loop=True))
    assert (choice.model, choice.instead_of) == ("large", "")


def test_a_session_that_keeps_its_model_from_a_substitute_still_says_that_it_was_one() -> None:
    choice = chosen(Choosing(RouterDC()), replace(POLICY, learning=PROTECTED), Pin("large", turns=3))
    assert (choice.model, choice.instead_of) == ("large", "router_dc")


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


@pytest.mark.parametrize("pin", [Pin("dear", turns=3), Pin("dear", turns=0)])
def test_a_session_leaves_a_model_that_is_ruled_out(pin: Pin) -> None:
    learning = Learning(protection=Protection(enabled=True, switch_margin=5.0))
    models = (SMALL, LARGE, model("dear", 1.0, 100.0))
    settings = MultiFactor(quality=1, latency=0, cost=0, load=0, max_cost=50)
    given, refs = policy(*models, learning=learning), decision(*models).models
    state = replace(NOTHING_KNOWN, pin=pin)
    choice = choose(refs, Choosing(settings), asking(tokens=1000), given, state)
    assert (choice.model, choice.scores) == ("large", {"small": 0.0, "large": 1.0})


def test_a_model_that_is_ruled_out_does_not_stretch_the_range_of_a_gain() -> None:
    learning = Learning(protection=Protection(enabled=True, switch_margin=0.9, stability_weight=0.0))
    models = (SMALL, LARGE, model("dear", 1.0, 100.0))
    settings = MultiFactor(quality=1, latency=0, cost=0, load=0, max_cost=50)
    given, refs = policy(*models, learning=learning), decision(*models).models
    state = replace(NOTHING_KNOWN, pin=Pin("small", turns=3))
    assert choose(refs, Choosing(settings), asking(tokens=1000), given, state).model == "large"


def test_choosing_is_pure() -> None:
    state = State(pin=Pin("small", tool_loop=True))
    first = choose(REFS, BY_QUALITY, asking(), POLICY, state)
    assert first == choose(REFS, BY_QUALITY, asking(), POLICY, state)


def test_every_algorithm_has_its_scores() -> None:
    assert set(SCORING) == set(get_args(Algorithm)) - {Static}


@pytest.mark.parametrize(
    ("staying", "model", "said"),
    [
        (Staying(), "small", "the session keeps its model: gain 1.000, switching costs 2.05"),
        (Staying("observe"), "large", "only observed: the session keeps its model"),
        (Staying("bypass"), "large", ""),
        (Staying(stability_weight=0.0), "large", ""),
        (Staying(switch_margin=1.0, stability_weight=0.0), "large", ""),
        (Staying("bypass", switch_margin=5.0), "large", ""),
    ],
)
def test_a_decision_says_how_much_the_protection_of_sessions_holds_for_it(
    staying: Staying, model: str, said: str
) -> None:
    heavy = Learning(protection=Protection(enabled=True, stability_weight=20.0))
    given = replace(policy(model_of("small", 0.6), model_of("large", 0.9)), learning=heavy)
    pin = Pin("small", tokens=100, turns=3)
    choice = chosen(replace(BY_QUALITY, staying=staying), given, pin)
    assert choice.model == model
    assert choice.reason.startswith(said) if said else not choice.reason


def test_a_tool_loop_keeps_its_model_whatever_the_decision_makes_of_protection() -> None:
    bypassing = replace(BY_QUALITY, staying=Staying("bypass"))
    assert chosen(bypassing, pin=Pin("small", tool_loop=True)).model == "small"


# ---------------------------------------------------------------- a model is asked

ASKING = Choosing(Prompt("guide"))


def advised(advice: Advice, pin: Pin | None = None, given: Policy = POLICY) -> Choice:
    return choose(REFS, ASKING, asking(tokens=1000), given, State(pin=pin, advice=advice))


def test_the_model_that_was_named_is_chosen() -> None:
    assert advised(Advice("large")) == Choice("large", algorithm="prompt", scores={"small": 0, "large": 1})


def test_without_advice_the_static_choice_says_why() -> None:
    choice = advised(Advice(failure="timeout"))
    assert (choice.model, choice.algorithm) == ("small", "static")
    assert choice.reason == "prompt could not choose: guide named no candidate (timeout); static choice"


def test_advice_does_not_take_a_protected_session_from_its_cached_prompt() -> None:
    pin = Pin("small", tokens=1000, turns=3)
    protected = replace(POLICY, learning=Learning(protection=Protection(enabled=True, stability_weight=2)))
    assert advised(Advice("large"), pin, protected).model == "small"
    assert advised(Advice("large"), replace(pin, idle=301.0), protected).model == "large"


@pytest.mark.parametrize(
    ("pin", "advice", "expected"),
    [
        (None, None, True),
        (None, Advice("small"), False),
        (Pin("small", tool_loop=True), None, False),
        (Pin("small"), None, True),
        (Pin("another", tool_loop=True), None, True),
    ],
)
def test_nobody_is_asked_twice_or_in_a_tool_loop(
    pin: Pin | None, advice: Advice | None, expected: bool
) -> None:
    state = State(pin=pin, advice=advice)
    assert must_ask(REFS, ASKING.algorithm, asking(), POLICY, state) is expected


def test_nobody_is_asked_where_only_one_model_can_read_the_prompt() -> None:
    given = policy(SMALL, model("large", 0.9, 10.0, window=4096))
    question = asking(tokens=5000)
    assert not must_ask(REFS, ASKING.algorithm, question, given, NOTHING_KNOWN)
    assert choose(REFS, ASKING, question, given, NOTHING_KNOWN).model == "small"
    assert must_ask(REFS, ASKING.algorithm, asking(tokens=100), given, NOTHING_KNOWN)
