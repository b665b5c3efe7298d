"""One text or chat request through `judge` and `decide`, exactly as live traffic, without any effect."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vsr.chat.request import ChatRequest, parse_chat_request
from vsr.errors import InvalidRequest, RequestError, Unavailable
from vsr.facts import Facts, Readings
from vsr.generation import Generation
from vsr.route import Route
from vsr.router import decide, judge

INVALID_INPUT = "INVALID_INPUT"
CLASSIFIER_UNAVAILABLE = "UNIFIED_CLASSIFIER_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Judged:
    request: ChatRequest
    facts: Facts
    route: Route
    seconds: float

    @property
    def milliseconds(self) -> float:
        return round(self.seconds * 1000, 3)

    def require_readings(self) -> Readings:
        """Raises Unavailable if the encoder could not answer: a classification of nothing is none."""
        if self.facts.readings is None:
            raise Unavailable(
                "The encoder could not read the text: " + (self.facts.encoder_error or "no answer") + ".",
                code=CLASSIFIER_UNAVAILABLE,
                retry_after=1,
            )
        return self.facts.readings


async def judge_body(generation: Generation, body: dict[str, Any]) -> Judged:
    """`body` is a chat request. Raises as `parse_chat_request` and `judge` do."""
    started = time.perf_counter()
    request = parse_chat_request(body)
    facts = await judge(
        request, generation.policy, generation.encoder, signals=generation.signals, everything=True
    )
    route = decide(request.model, facts, generation.policy, state=generation.state)
    return Judged(request, facts, route, time.perf_counter() - started)


async def judge_text(generation: Generation, text: str, *, model: str = "") -> Judged:
    """`text` as the single message of a user who leaves the choice of the model to the router."""
    return await judge_body(generation, chat_body(generation, [{"role": "user", "content": text}], model))


def chat_body(generation: Generation, messages: object, model: str) -> dict[str, Any]:
    auto = next(iter(generation.policy.auto_names), "auto")
    return {"model": model or auto, "messages": messages}


def text_of(body: Mapping[str, Any], name: str = "text") -> str:
    text = body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise invalid(f"{name} must be a non-empty string", name)
    return text


def texts_of(body: Mapping[str, Any], name: str, most: int) -> list[str]:
    texts = body.get(name)
    if not isinstance(texts, list) or not texts:
        raise invalid(f"{name} must be a non-empty array of strings", name)
    if len(texts) > most:
        raise invalid(f"{name} must not hold more than {most} entries", name)
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise invalid(f"{name}[{index}] must be a non-empty string", f"{name}[{index}]")
    return texts


def option(body: Mapping[str, Any], name: str) -> bool:
    """A switch in `options`, off if it is not given."""
    options = body.get("options") or {}
    if not isinstance(options, dict):
        raise invalid("options must be an object", "options")
    value = options.get(name, False)
    if not isinstance(value, bool):
        raise invalid(f"options.{name} must be true or false", f"options.{name}")
    return value


def invalid(message: str, param: str, code: str = INVALID_INPUT) -> RequestError:
    return InvalidRequest(message, param=param, code=code)
