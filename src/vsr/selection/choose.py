"""The one way to a choice: candidates that can serve, the algorithm's scores, the session's pin.

Pure. An algorithm that cannot choose is not an error of the request: `on_error: skip` takes the static
choice and says so, `fail` makes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vsr.config.policy import (
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
    RouterDC,
    Static,
    Thompson,
)
from vsr.selection.automix import automix
from vsr.selection.choice import Candidate, Choice, Question, Scores, Unselectable
from vsr.selection.elo import elo
from vsr.selection.hybrid import hybrid
from vsr.selection.latency import latency_aware
from vsr.selection.learned.choose import by_difficulty, learned
from vsr.selection.multi_factor import multi_factor
from vsr.selection.router_dc import router_dc
from vsr.selection.sessions import cost_of_leaving, gain
from vsr.selection.state import State
from vsr.selection.static import score_of, select
from vsr.selection.thompson import thompson


def choose(
    refs: Sequence[ModelRef], choosing: Choosing, question: Question, policy: Policy, state: State
) -> Choice:
    """`refs` must not be empty. Raises Unselectable where the operator wants no substitute."""
    refs = _that_can_read(refs, question, policy)
    try:
        choice = _by_algorithm(refs, choosing, question, policy, state)
    except Unselectable as error:
        if error.final or choosing.on_error == "fail":
            raise
        static = select(refs, question.category, policy)
        choice = replace(static, reason=f"{choosing.algorithm.name} could not choose: {error}; static choice")
    return _or_stay(choice, refs, question, policy, state)


def _that_can_read(refs: Sequence[ModelRef], question: Question, policy: Policy) -> tuple[ModelRef, ...]:
    """Those whose context window holds the prompt; all of them if none does, for the model to refuse."""
    windows = [policy.models[ref.model].card.context_window for ref in refs]
    fitting = tuple(
        ref for ref, window in zip(refs, windows, strict=True) if window is None or question.tokens <= window
    )
    return fitting or tuple(refs)


def _by_algorithm(
    refs: tuple[ModelRef, ...], choosing: Choosing, question: Question, policy: Policy, state: State
) -> Choice:
    algorithm = choosing.algorithm
    if isinstance(algorithm, Static):
        return select(refs, question.category, policy)
    candidates = [
        Candidate(ref, policy.models[ref.model], score_of(ref, question.category, policy)) for ref in refs
    ]
    scores = _scores(choosing, candidates, question, state)
    best = max(range(len(candidates)), key=lambda place: scores[place])
    named = {one.name: score for one, score in zip(candidates, scores, strict=True)}
    return replace(_choice(candidates[best]), algorithm=algorithm.name, scores=named)


def _scores(choosing: Choosing, candidates: Sequence[Candidate], question: Question, state: State) -> Scores:
    match choosing.algorithm:
        case RouterDC() as settings:
            return router_dc(settings, candidates, question, state)
        case LatencyAware() as settings:
            return latency_aware(settings, candidates, question, state)
        case MultiFactor() as settings:
            return multi_factor(settings, candidates, question, state)
        case Automix() as settings:
            return automix(settings, candidates, question, state)
        case Hybrid() as settings:
            return hybrid(settings, candidates, question, state)
        case Elo() as settings:
            return elo(settings, candidates, question, state)
        case Thompson() as settings:
            return thompson(settings, candidates, question, state)
        case Learned() as settings:
            return learned(settings, candidates, question, state)
        case Difficulty() as settings:
            return by_difficulty(settings, candidates, question, state)
    raise AssertionError("static has no scores")


def _choice(candidate: Candidate) -> Choice:
    score = candidate.score
    return Choice(
        model=candidate.ref.model,
        lora=candidate.lora,
        reasoning=candidate.ref.use_reasoning or bool(score and score.use_reasoning),
        effort=candidate.ref.reasoning_effort or (score.reasoning_effort if score else ""),
    )


def _or_stay(
    choice: Choice, refs: Sequence[ModelRef], question: Question, policy: Policy, state: State
) -> Choice:
    """The session's model instead, if it is a candidate and leaving it does not pay."""
    pin = state.pin
    if pin is None or (pin.model, pin.lora) == (choice.model, choice.lora):
        return choice
    found = [
        candidate
        for ref in refs
        for candidate in [Candidate(ref, policy.models[ref.model], score_of(ref, question.category, policy))]
        if (ref.model, candidate.lora) == (pin.model, pin.lora)
    ]
    if not found:
        return choice
    why = _reason_to_stay(choice, found[0], question, policy, state)
    if not why:
        return choice
    return replace(_choice(found[0]), algorithm=choice.algorithm, scores=choice.scores, reason=why)


def _reason_to_stay(
    choice: Choice, pinned: Candidate, question: Question, policy: Policy, state: State
) -> str:
    pin, protection = state.pin, policy.learning.protection
    if pin is None:
        return ""
    if pin.tool_loop and policy.learning.tool_loops:
        return "a tool loop keeps its model"
    if not protection.enabled or pin.idle > protection.idle_timeout:
        return ""
    if pin.turns < protection.min_turns_before_switch:
        return f"the session has had {pin.turns} turns on its model"
    better = gain(choice.scores, pinned.name, choice.lora or choice.model)
    cost = cost_of_leaving(pin, question.tokens, pinned.model.pricing, policy.models[choice.model].pricing)
    needed = protection.switch_margin + protection.stability_weight * cost
    if better is None or better < needed:
        shown = "unknown" if better is None else f"{better:.3f}"
        return f"the session keeps its model: gain {shown}, switching costs {needed:.3f}"
    return ""
