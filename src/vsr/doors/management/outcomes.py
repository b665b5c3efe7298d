"""`/v1/router/outcomes`: what became of answers, for the algorithms that learn from it, and a report.

An outcome is a judged answer (a verdict, or a score) or a comparison (winner and loser). It holds names
and numbers only: names must be configured ones, and a key that is not listed here is refused, so no text
of a request gets in.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from vsr.chat.body import dump_json
from vsr.config.labels import DOMAINS
from vsr.config.policy import Policy
from vsr.doors.management.judging import invalid
from vsr.errors import StorageFailed
from vsr.generation import Generation
from vsr.selection.feedback import VERDICTS, Outcome

KEYS: Final = (
    "model", "target", "target_ref", "verdict", "score", "quality", "winner", "loser", "draw",
    "decision", "category", "metadata", "reason", "request_id", "replay_id", "event_id",
)  # fmt: skip
_WORD: Final = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "verdict": {"type": "string", "enum": list(VERDICTS)},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "winner": {"type": "string"},
        "loser": {"type": "string"},
        "draw": {"type": "boolean"},
        "decision": {"type": "string"},
        "category": {"type": "string"},
        "event_id": {"type": "string"},
    },
}


async def record(generation: Generation, body: Mapping[str, Any]) -> Response:
    """201, or 200 if an outcome of the same `event_id` has been taken before."""
    outcome = parse_outcome(generation.policy, body)
    memory = generation.memory
    try:
        is_new = memory.learn(outcome, str(body.get("event_id") or ""))
    except OSError as error:
        raise StorageFailed(
            f"The outcome was not taken, send it again: {error.strerror or type(error).__name__}.",
            status=507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 503,
        ) from None
    if not is_new:
        return _json({"status": "duplicate"}, 200)
    return _json({"status": "recorded", "outcomes": memory.recorder.feedback.outcomes}, 201)


async def report(generation: Generation, body: Mapping[str, Any]) -> Response:
    """Ratings and counts, those over all categories and decisions under "*"."""
    experience = generation.state.observations.experience
    ratings = [
        {
            "category": category or "*",
            "model": model,
            "rating": round(rating.value, 1),
            "comparisons": rating.comparisons,
        }
        for (category, model), rating in sorted(experience.ratings.items())
    ]
    judged = [
        {
            "decision": decision or "*",
            "model": model,
            "quality": round((arm.good + 1) / (arm.good + arm.bad + 2), 4),
            "outcomes": arm.outcomes,
        }
        for (decision, model), arm in sorted(experience.arms.items())
    ]
    outcomes = generation.memory.recorder.feedback.outcomes
    return _json({"outcomes": outcomes, "ratings": ratings, "judged": judged}, 200)


def parse_outcome(policy: Policy, body: Mapping[str, Any]) -> Outcome:
    """Raises InvalidRequest with the key that is wrong."""
    for key in body:
        if key not in KEYS:
            raise invalid("an outcome has none but these keys: " + ", ".join(KEYS), "")
    for key in ("reason", "request_id", "replay_id", "event_id"):
        value = body.get(key)
        if value is not None and not (isinstance(value, str) and _WORD.fullmatch(value)):
            raise invalid(f"{key} must be a word of at most 128 letters, digits and ._:/+=-", key)
    decision, category = _where(policy, body)
    if "winner" in body or "loser" in body:
        winner, loser = _model(policy, body, "winner"), _model(policy, body, "loser")
        if winner == loser:
            raise invalid("winner and loser must be two models", "loser")
        draw = body.get("draw", False)
        if not isinstance(draw, bool):
            raise invalid("draw must be true or false", "draw")
        return Outcome(winner, 0.5 if draw else 1.0, loser, decision, category)
    target = body.get("target")
    if target not in (None, "model"):
        raise invalid("target must be model: nothing else learns from outcomes", "target")
    name = _model(policy, body, "model" if "model" in body else "target_ref")
    return Outcome(name, _quality(body), "", decision, category)


def _where(policy: Policy, body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict) or set(metadata) - {"decision", "category"}:
        raise invalid("metadata may hold decision and category only", "metadata")
    given = {**metadata, **body}
    recipes = (policy, *policy.recipes.values())
    decisions = {decision.name for recipe in recipes for decision in recipe.decisions}
    domains = {rule.name for recipe in recipes for rule in recipe.signals.domains}
    return (
        _one_of(given, "decision", decisions),
        _one_of(given, "category", {*domains, *DOMAINS, policy.fallback_category}),
    )


def _one_of(given: Mapping[str, Any], key: str, known: set[str]) -> str:
    value = given.get(key)
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or value not in known:
        raise invalid(f"{key} must be a configured one: " + ", ".join(sorted(known)), key)
    return value


def _model(policy: Policy, body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    known = {*policy.models, *(lora for model in policy.models.values() for lora in model.loras)}
    if isinstance(value, str) and value.removeprefix("model/") in known:
        return value.removeprefix("model/")
    raise invalid(f"{key} must be a configured model: " + ", ".join(sorted(known)), key)


def _quality(body: Mapping[str, Any]) -> float:
    """The score if there is one, else what the verdict is worth."""
    for key in ("score", "quality"):
        value = body.get(key)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise invalid(f"{key} must be a number from 0 to 1", key)
            return float(value)
    verdict = body.get("verdict")
    if not isinstance(verdict, str) or verdict not in VERDICTS:
        raise invalid("give a score, or a verdict: " + ", ".join(VERDICTS), "verdict")
    return VERDICTS[verdict]  # type: ignore[index] # just checked


def _json(payload: dict[str, Any], status: int) -> Response:
    return Response(dump_json(payload), status, media_type="application/json")
