"""The one way to a choice: candidates that can serve, a tool loop's model, the algorithm's scores, the
session's pin.

Pure. An algorithm that cannot choose is not an error of the request: `on_error: skip` takes the static
choice and says so, `fail` makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from vsr.config.policy import (
    Algorithm,
    Automix,
    Choosing,
    Difficulty,
    Elo,
    Hybrid,
    LatencyAware,
    Learned,
    ModelRef,
    MultiFactor,
    Policy,
    Prompt,
    Protection,
    RouterDC,
    Static,
    Staying,
    Thompson,
)
from vsr.selection.automix import automix
from vsr.selection.choice import RULED_OUT, Candidate, Choice, Question, Scores, Unselectable
from vsr.selection.elo import elo
from vsr.selection.hybrid import hybrid
from vsr.selection.latency import latency_aware
from vsr.selection.learned.choose import by_difficulty, learned
from vsr.selection.multi_factor import multi_factor
from vsr.selection.prompt import prompt
from vsr.selection.router_dc import router_dc
from vsr.selection.sessions import Pin, cost_of_leaving, gain
from vsr.selection.state import State
from vsr.selection.static import score_of, select
from vsr.selection.thompson import thompson

SCORING: Final[Mapping[type[Algorithm], Callable[..., Scores]]] = {
    RouterDC: router_dc,
    LatencyAware: latency_aware,
    MultiFactor: multi_factor,
    Automix: automix,
    Hybrid: hybrid,
    Elo: elo,
    Thompson: thompson,
    Learned: learned,
    Difficulty: by_difficulty,
    Prompt: prompt,
}
"""`(settings, candidates, question, state) -> scores`, by the settings' type. Static has none."""


def choose(
    refs: Sequence[ModelRef], choosing: Choosing, question: Question, policy: Policy, state: State
) -> Choice:
    """`refs` must not be empty. Raises Unselectable where the operator wants no substitute."""
    refs = that_can_read(refs, question, policy)
    looping = _in_tool_loop(_candidates(refs, question, policy), policy, state)
    if looping is not None:
        return replace(
            _choice(looping), algorithm=choosing.algorithm.name, reason="a tool loop keeps its model"
        )
    try:
        choice = _by_algorithm(refs, choosing.algorithm, question, policy, state)
    except Unselectable as error:
        if error.final or choosing.on_error == "fail":
            raise
        name = choosing.algorithm.name
        choice = replace(
            select(refs, question.category, policy),
            reason=f"{name} could not choose: {error}; static choice",
            instead_of=name,
        )
    return _or_stay(choice, refs, choosing.staying, question, policy, state)


def must_ask(
    refs: Sequence[ModelRef], algorithm: Algorithm, question: Question, policy: Policy, state: State
) -> bool:
    """Whether a model must be asked before one can be chosen: not where there is only one that can read the
    prompt, and not where a tool loop keeps its model whatever the advice."""
    if not isinstance(algorithm, Prompt) or state.advice is not None:
        return False
    candidates = _candidates(that_can_read(refs, question, policy), question, policy)
    return len(candidates) > 1 and _in_tool_loop(candidates, policy, state) is None


def that_can_read(refs: Sequence[ModelRef], question: Question, policy: Policy) -> tuple[ModelRef, ...]:
    """Those whose context window holds the prompt; all of them if none does, for the model to refuse."""
    windows = [policy.models[ref.model].card.context_window for ref in refs]
    fitting = tuple(
        ref for ref, window in zip(refs, windows, strict=True) if window is None or question.tokens <= window
    )
    return fitting or tuple(refs)


def _candidates(refs: Sequence[ModelRef], question: Question, policy: Policy) -> list[Candidate]:
    return [
        Candidate(ref, policy.models[ref.model], score_of(ref, question.category, policy)) for ref in refs
    ]


def _by_algorithm(
    refs: tuple[ModelRef, ...], algorithm: Algorithm, question: Question, policy: Policy, state: State
) -> Choice:
    if isinstance(algorithm, Static):
        return select(refs, question.category, policy)
    candidates = _candidates(refs, question, policy)
    scores = SCORING[type(algorithm)](algorithm, candidates, question, state)
    best = max(range(len(candidates)), key=lambda place: scores[place])
    named = {one.name: score for one, score in zip(candidates, scores, strict=True) if score > RULED_OUT}
    return replace(_choice(candidates[best]), algorithm=algorithm.name, scores=named)


def _choice(candidate: Candidate) -> Choice:
    score = candidate.score
    return Choice(
        model=candidate.ref.model,
        lora=candidate.lora,
        reasoning=candidate.ref.use_reasoning or bool(score and score.use_reasoning),
        effort=candidate.ref.reasoning_effort or (score.reasoning_effort if score else ""),
    )


def _or_stay(
    choice: Choice,
    refs: Sequence[ModelRef],
    staying: Staying,
    question: Question,
    policy: Policy,
    state: State,
) -> Choice:
    """The session's model instead, if it is a candidate and leaving it does not pay."""
    pin = state.pin
    if pin is None or (pin.model, pin.lora) == (choice.model, choice.lora):
        return choice
    pinned = _pinned(pin, _candidates(refs, question, policy))
    if pinned is None:
        return choice
    why = _reason_to_stay(choice, pin, pinned, _protection(policy, staying), question, policy)
    if not why:
        return choice
    if staying.mode == "observe":
        return replace(choice, reason="; ".join(filter(None, (choice.reason, f"only observed: {why}"))))
    return replace(
        _choice(pinned),
        algorithm=choice.algorithm,
        scores=choice.scores,
        reason=why,
        instead_of=choice.instead_of,
    )


def _protection(policy: Policy, staying: Staying) -> Protection:
    """As the decision has it."""
    common = policy.learning.protection
    margin, weight = staying.switch_margin, staying.stability_weight
    return replace(
        common,
        enabled=common.enabled and staying.mode != "bypass",
        switch_margin=common.switch_margin if margin is None else margin,
        stability_weight=common.stability_weight if weight is None else weight,
    )


def _in_tool_loop(candidates: Sequence[Candidate], policy: Policy, state: State) -> Candidate | None:
    """The model that began the answer, whatever the algorithm would say or could not say."""
    pin = state.pin
    if pin is None or not pin.tool_loop or not policy.learning.tool_loops:
        return None
    return _pinned(pin, candidates)


def _pinned(pin: Pin, candidates: Sequence[Candidate]) -> Candidate | None:
    own = (pin.model, pin.lora)
    return next((one for one in candidates if (one.ref.model, one.lora) == own), None)


def _reason_to_stay(
    choice: Choice, pin: Pin, pinned: Candidate, protection: Protection, question: Question, policy: Policy
) -> str:
    if not protection.enabled or pin.idle > protection.idle_timeout:
        return ""
    if choice.algorithm != "static" and pinned.name not in choice.scores:
        return ""  # ruled out; a static choice says nothing about those that it has no score for
    if pin.turns < protection.min_turns_before_switch:
        return f"the session has had {pin.turns} turns on its model"
    better = gain(choice.scores, pinned.name, choice.lora or choice.model)
    cost = cost_of_leaving(pin, question.tokens, pinned.model.pricing, policy.models[choice.model].pricing)
    needed = protection.switch_margin + protection.stability_weight * cost
    if better is None or better < needed:
        shown = "unknown" if better is None else f"{better:.3f}"
        return f"the session keeps its model: gain {shown}, switching costs {needed:.3f}"
    return ""
