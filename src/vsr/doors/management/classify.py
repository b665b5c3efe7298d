"""/api/v1/classify/*: what the heads say about a text, in the original's shapes.

Every answer is read off the facts and the route that live traffic would get; nothing is classified
here. The values of personal data go back to the caller who sent them, and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from vsr.chat.edit import replace_spans, touched
from vsr.doors.management.evaluate import decision_result, matched_signals, signal_errors
from vsr.doors.management.judging import (
    CLASSIFIER_UNAVAILABLE,
    Judged,
    invalid,
    judge_text,
    option,
    text_of,
    texts_of,
)
from vsr.encoder.manifest import AskHead
from vsr.errors import Unavailable
from vsr.facts import Entity
from vsr.generation import Generation
from vsr.guards.masking import placeholder
from vsr.signals.user_feedback import LABELS

_AT_ONCE = 16  # texts of a batch judged together, so that one batch cannot fill the encoder's queue
_LOW_CONFIDENCE = 0.7

Body = Mapping[str, Any]
Result = dict[str, Any]


async def intent(generation: Generation, body: Body) -> Result:
    probabilities = option(body, "return_probabilities")
    judged = await _judge(generation, text_of(body))
    return _intent(judged, generation, probabilities)


async def pii(generation: Generation, body: Body) -> Result:
    return _pii(await _judge(generation, text_of(body)))


async def security(generation: Generation, body: Body) -> Result:
    return _security(await _judge(generation, text_of(body)))


async def fact_check(generation: Generation, body: Body) -> Result:
    judged = await _judge(generation, text_of(body))
    return _fact_check(judged, _ask_head(generation, "fact_check"))


async def user_feedback(generation: Generation, body: Body) -> Result:
    judged = await _judge(generation, text_of(body))
    return _user_feedback(judged, _ask_head(generation, "feedback"))


async def combined(generation: Generation, body: Body) -> Result:
    probabilities = option(body, "return_probabilities")
    judged = await _judge(generation, text_of(body))
    return {
        "intent": _intent(judged, generation, probabilities),
        "pii": _pii(judged),
        "security": _security(judged),
        "processing_time_ms": judged.milliseconds,
    }


async def batch(generation: Generation, body: Body) -> Result:
    """One flat result a text; with `all` the keys of all three tasks, `confidence` being the intent's."""
    task = body.get("task_type") or "intent"
    if not isinstance(task, str) or task not in _TASKS:
        raise invalid(f"task_type must be one of {', '.join(_TASKS)}", "task_type", "INVALID_TASK_TYPE")
    texts = texts_of(body, "texts", generation.policy.management.max_batch_size)
    probabilities = option(body, "return_probabilities")
    started = time.perf_counter()
    judged: list[Judged] = []
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        judged += await asyncio.gather(*(_judge(generation, text) for text in some))
    results = [_TASKS[task](one, probabilities) for one in judged]
    return {
        "results": results,
        "total_count": len(results),
        "processing_time_ms": round((time.perf_counter() - started) * 1000, 3),
        "statistics": _statistics(results),
    }


async def _judge(generation: Generation, text: str) -> Judged:
    judged = await judge_text(generation, text)
    judged.require_readings()
    return judged


def _category(judged: Judged, probabilities: bool) -> Result:
    result: Result = {
        "category": judged.route.category,
        "confidence": judged.route.category_confidence,
        "processing_time_ms": judged.milliseconds,
    }
    if probabilities and judged.facts.readings is not None:
        likeliest_first = sorted(judged.facts.readings.domain.items(), key=lambda item: -item[1])
        result["probabilities"] = dict(likeliest_first)
    return result


def _intent(judged: Judged, generation: Generation, probabilities: bool) -> Result:
    classification = _category(judged, probabilities)
    more = {"probabilities": classification.pop("probabilities")} if probabilities else {}
    return {
        "classification": classification,
        **more,
        "recommended_model": judged.route.selected_model,
        "routing_decision": judged.route.decision,
        "matched_signals": matched_signals(judged.facts),
        "decision_result": decision_result(judged.facts, judged.route, generation.policy),
        "signal_errors": signal_errors(judged.facts),
    }


def _pii(judged: Judged) -> Result:
    """Positions are characters (code points) of the text as it was sent."""
    entities = judged.facts.entities
    finding = judged.route.finding("pii")
    blocked = finding is not None and finding.acts
    masked = replace_spans(judged.request.body, judged.facts.passages, entities, placeholder)
    return {
        "has_pii": bool(entities),
        "entities": [_entity(entity, judged) for entity in entities],
        "masked_text": masked["messages"][0]["content"],
        "security_recommendation": "block" if blocked else "mask" if judged.route.mask else "allow",
        "processing_time_ms": judged.milliseconds,
    }


def _entity(entity: Entity, judged: Judged) -> Result:
    passage = judged.facts.passages[entity.passage]
    places = [(start, end) for _, start, end in touched(passage, entity)]
    return {
        "type": entity.type,
        "value": passage.text.reveal()[entity.start : entity.end],
        "confidence": entity.score,
        "start_position": places[0][0],
        "end_position": places[-1][1],
        "masked_value": placeholder(entity),
    }


def _security(judged: Judged) -> Result:
    finding = judged.route.finding("jailbreak")
    windows = judged.facts.readings.jailbreak if judged.facts.readings else ()
    risk = max((window.risk for window in windows), default=0.0)
    if finding is not None and finding.score:  # the window that decided, not always the riskiest
        risk = finding.score
    is_jailbreak = finding is not None and finding.state == "violating"
    return {
        "is_jailbreak": is_jailbreak,
        "risk_score": risk,
        "detection_types": ["jailbreak"] if is_jailbreak else [],
        "confidence": risk if is_jailbreak else 1 - risk,
        "recommendation": "block" if finding is not None and finding.acts else "allow",
        "reasoning": (finding.reason if finding else "") or "nothing looks like an attack",
        "patterns_detected": [],
        "processing_time_ms": judged.milliseconds,
    }


def _ask_head(generation: Generation, name: str) -> AskHead:
    """Raises Unavailable if the bundle, an older one, lacks it."""
    head = generation.encoder.bundle.manifest.heads.asks.get(name)
    if head is None:
        raise Unavailable(f"The bundle has no head {name}.", code=CLASSIFIER_UNAVAILABLE)
    return head


def _fact_check(judged: Judged, head: AskHead) -> Result:
    """Where nobody asks anything, as in what a harness wrote, no facts are asked for either."""
    probability = judged.require_readings().fact_check or 0.0
    needed = probability >= head.threshold
    other = next(label for label in head.labels if label != head.positive)
    return {
        "needs_fact_check": needed,
        "label": head.positive if needed else other,
        "confidence": probability if needed else 1 - probability,
        "processing_time_ms": judged.milliseconds,
    }


def _user_feedback(judged: Judged, head: AskHead) -> Result:
    """The likeliest kind of feedback if feedback as such is as likely as the head's threshold asks."""
    found = judged.require_readings().feedback or {head.negative: 1.0}
    kinds = {label: found[label] for label in found if label != head.negative}
    is_feedback = bool(kinds) and 1 - found[head.negative] >= head.threshold
    label = max(kinds, key=kinds.__getitem__) if is_feedback else head.negative
    return {
        "feedback_type": next((name for name, own in LABELS.items() if own == label), "none"),
        "label": label,
        "confidence": found[label],
        "processing_time_ms": judged.milliseconds,
    }


_TASKS: dict[str, Callable[[Judged, bool], Result]] = {
    "intent": _category,
    "pii": lambda judged, _: _pii(judged),
    "security": lambda judged, _: _security(judged),
    "all": lambda judged, probabilities: {
        **_pii(judged),
        **_security(judged),
        **_category(judged, probabilities),
    },
}


def _statistics(results: list[Result]) -> Result:
    """Over the results that have what is counted: categories of intents, confidences of all but PII."""
    confidences = [result["confidence"] for result in results if "confidence" in result]
    return {
        "category_distribution": dict(Counter(one["category"] for one in results if "category" in one)),
        "avg_confidence": sum(confidences) / len(confidences) if confidences else 0.0,
        "low_confidence_count": sum(confidence < _LOW_CONFIDENCE for confidence in confidences),
    }
