"""/api/v1/eval: what would be done with a text, a conversation or a whole chat request, and why.

The shape is the original's; `eval_trace` is the same trace that `vsr explain` prints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from vsr.config.policy import Policy
from vsr.decisions.flips import leaves
from vsr.decisions.plain import plugin_name
from vsr.decisions.projections import project
from vsr.doors.management.judging import Judged, chat_body, invalid, judge_body, text_of
from vsr.facts import Facts, Signal
from vsr.generation import Generation
from vsr.route import Route
from vsr.router import explain
from vsr.selection.members import name_of

_FAMILIES = {
    "domain": "domains",
    "keyword": "keywords",
    "embedding": "embeddings",
    "preference": "preferences",
}
"""Signal types whose family has a name of its own; others are called by their type."""

Result = dict[str, Any]


async def evaluate(generation: Generation, body: Mapping[str, Any]) -> Result:
    """`body` has one of `text`, `messages`, `body` (a chat request), and perhaps `model`."""
    judged = await judge_body(generation, _request(generation, body))
    facts, route, policy = judged.facts, judged.route, generation.policy
    asked = judged.request.model
    if route.outcome == "unknown_model":
        raise invalid("model is not configured here", "model", "INVALID_ROUTING_MODEL")
    state = generation.state
    # Finding out what would have changed the choice asks for it many times over.
    why = await asyncio.to_thread(explain, asked, facts, policy, state=state)
    return {
        "original_text": "\n".join(facts.passages[index].text.reveal() for index in judged.request.ask),
        "requested_model": route.requested_model,
        "recipe": route.recipe,
        "decision_result": decision_result(facts, route, policy),
        "eval_trace": why.as_dict(),
        "recommended_models": _candidates(route, policy.for_model(asked)),
        "selected_model": route.selected_model,
        "selection_status": route.outcome,
        "selection_method": route.algorithm,
        "selection_reason": route.reason,
        "routing_decision": route.decision,
        "metrics": _metrics(judged),
        "signal_confidences": {_label(one): one.confidence for one in why.signals if one.matched},
        "signal_values": {_label(one): _value(one) for one in why.signals if not one.error},
        "signal_errors": signal_errors(facts),
        "projection_scores": {
            name: score.low for name, score in why.scores.items() if score.low == score.high
        },
    }


def _request(generation: Generation, body: Mapping[str, Any]) -> Result:
    given = [name for name in ("text", "messages", "body") if body.get(name) is not None]
    if len(given) != 1:
        raise invalid("give exactly one of text, messages, body", given[1] if given else "text")
    model = body.get("model") or ""
    if not isinstance(model, str):
        raise invalid("model must be a string", "model")
    if given == ["messages"]:
        return chat_body(generation, body["messages"], model)
    if given == ["text"]:
        return chat_body(generation, [{"role": "user", "content": text_of(body)}], model)
    request = body["body"]
    if not isinstance(request, dict):
        raise invalid("body must be an object", "body")
    return {**request, "model": model} if model else request


def decision_result(facts: Facts, route: Route, policy: Policy) -> Result:
    """The decision that won and the signals it uses; all signals if none won."""
    policy = policy.for_model(route.requested_model)
    signals = project(policy.projections, facts.signals).signals
    decision = next((one for one in policy.decisions if one.name == route.decision), None)
    used = list(signals)
    if decision is not None:
        used = list(dict.fromkeys(leaf.key for leaf in leaves(decision.rules)))
    matched = [key for key in used if key in signals and signals[key].matched]
    return {
        "decision_name": route.decision,
        "algorithm": route.algorithm,
        "plugins": [plugin_name(plugin) for plugin in route.plugins],
        "used_signals": _by_family(used),
        "matched_signals": _by_family(matched),
        "unmatched_signals": _by_family(key for key in used if key not in matched),
    }


def matched_signals(facts: Facts) -> dict[str, list[str]]:
    return _by_family(signal.key for signal in facts.signals.values() if signal.matched)


def signal_errors(facts: Facts) -> dict[str, str]:
    return {_label(signal): signal.error for signal in facts.signals.values() if signal.error}


def _by_family(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for kind, name in keys:
        families.setdefault(_FAMILIES.get(kind, kind), []).append(name)
    return families


def _candidates(route: Route, policy: Policy) -> list[str]:
    """The models that were to choose from, the chosen one first."""
    decision = next((one for one in policy.decisions if one.name == route.decision), None)
    candidates = [name_of(reference) for reference in decision.models] if decision else list(route.scores)
    return list(dict.fromkeys(filter(None, [route.selected_model, *candidates])))


def _metrics(judged: Judged) -> Result:
    readings = judged.facts.readings
    metrics: Result = {
        "processing_time_ms": judged.milliseconds,
        "judge_ms": round(judged.facts.seconds * 1000, 3),
    }
    if readings is not None:
        metrics["encoder_ms"] = round(readings.seconds * 1000, 3)
        metrics["tokens"] = readings.coverage.tokens
        metrics["windows"] = readings.coverage.windows
    return metrics


def _value(signal: Signal) -> float:
    return signal.confidence if signal.value is None else signal.value


def _label(signal: Signal) -> str:
    return f"{signal.type}:{signal.name}" + (f":{signal.label}" if signal.label else "")
