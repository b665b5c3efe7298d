"""/api/v1/eval: what would be done with a text, a conversation or a whole chat request, and why.

The shape is the original's; `eval_trace` is the same trace that `vsr explain` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vsr.config.policy import Leaf, Policy, RuleNode
from vsr.decisions.trace import trace
from vsr.doors.management.judging import Judged, chat_body, invalid, judge_body, text_of
from vsr.facts import Facts, Signal
from vsr.generation import Generation
from vsr.route import Route

_FAMILIES = {"domain": "domains", "keyword": "keywords"}
"""Signal types whose family has a name of its own; others are called by their type."""

Result = dict[str, Any]


async def evaluate(generation: Generation, body: Mapping[str, Any]) -> Result:
    """`body` has one of `text`, `messages`, `body` (a chat request), and perhaps `model`."""
    judged = await judge_body(generation, _request(generation, body))
    facts, route, policy = judged.facts, judged.route, generation.policy
    if route.outcome == "unknown_model":
        raise invalid("model is not configured here", "model", "INVALID_ROUTING_MODEL")
    return {
        "original_text": "\n".join(facts.passages[index].text.reveal() for index in judged.request.ask),
        "requested_model": route.requested_model,
        "recipe": "default",
        "decision_result": decision_result(facts, route, policy),
        "eval_trace": trace(policy, facts, route).as_dict(),
        "recommended_models": _candidates(route, policy),
        "selected_model": route.model,
        "selection_status": route.outcome,
        "selection_method": route.algorithm,
        "selection_reason": route.reason,
        "routing_decision": route.decision,
        "metrics": _metrics(judged),
        "signal_confidences": _confidences(one for one in facts.signals.values() if one.matched),
        "signal_values": _confidences(one for one in facts.signals.values() if not one.error),
        "signal_errors": signal_errors(facts),
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
    decision = next((one for one in policy.decisions if one.name == route.decision), None)
    used = list(facts.signals)
    if decision is not None:
        used = list(dict.fromkeys((leaf.type, leaf.name) for leaf in _leaves(decision.rules)))
    matched = [key for key in used if key in facts.signals and facts.signals[key].matched]
    return {
        "decision_name": route.decision,
        "algorithm": route.algorithm,
        "plugins": [type(plugin).__name__ for plugin in route.plugins],
        "used_signals": _by_family(used),
        "matched_signals": _by_family(matched),
        "unmatched_signals": _by_family(key for key in used if key not in matched),
    }


def matched_signals(facts: Facts) -> dict[str, list[str]]:
    return _by_family(signal.key for signal in facts.signals.values() if signal.matched)


def signal_errors(facts: Facts) -> dict[str, str]:
    return {_label(signal): signal.error for signal in facts.signals.values() if signal.error}


def _leaves(node: RuleNode | None) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif node is not None:
        for child in node.children:
            yield from _leaves(child)


def _by_family(keys: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    families: dict[str, list[str]] = {}
    for kind, name in keys:
        families.setdefault(_FAMILIES.get(kind, kind), []).append(name)
    return families


def _candidates(route: Route, policy: Policy) -> list[str]:
    """The models that were to choose from, the chosen one first."""
    decision = next((one for one in policy.decisions if one.name == route.decision), None)
    candidates = [reference.model for reference in decision.models] if decision else list(route.scores)
    return list(dict.fromkeys(filter(None, [route.model, *candidates])))


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


def _confidences(signals: Iterable[Signal]) -> dict[str, float]:
    return {_label(signal): signal.confidence for signal in signals}


def _label(signal: Signal) -> str:
    return f"{signal.type}:{signal.name}"
