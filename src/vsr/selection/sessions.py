"""Which model a session has been served by, and whether another one is worth leaving it for.

A tool loop keeps its model: the calls of one answer belong together. Beyond that a session may keep its
model (`global.router.learning.protection`): another one must gain more than the margin and the prompt
cache that would be lost. Keys are hashes; no text and no identity is kept.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from vsr.config.policy import Pricing, Protection

EQUAL = 1e-6
"""A range of scores below this only breaks a tie."""
LIVES = 3600.0
"""Seconds after which a pin is dropped however short the store; a provider's prompt cache is long gone."""


@dataclass(frozen=True, slots=True)
class Pin:
    """tokens: of the prompt that this model read last, which its provider has probably cached. turns:
    requests of the session that it served in a row. idle: seconds since the last one. tool_loop: the
    present request continues a tool loop."""

    model: str
    lora: str = ""
    decision: str = ""
    reasoning: bool = False
    effort: str = ""
    tokens: int = 0
    turns: int = 0
    idle: float = 0.0
    tool_loop: bool = False


class Sessions:
    """Bounded: the least recently used is dropped. Used from one event loop."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._pins: OrderedDict[str, tuple[float, Pin]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pins)

    def get(self, key: str) -> Pin | None:
        found = self._pins.get(key)
        if found is None:
            return None
        used, pin = found
        idle = self._clock() - used
        if idle > LIVES:
            del self._pins[key]
            return None
        return replace(pin, idle=idle)

    def put(self, key: str, pin: Pin) -> None:
        """The session was just served by this model; `turns` is counted here."""
        last = self.get(key)
        same = last is not None and (last.model, last.lora) == (pin.model, pin.lora)
        turns = last.turns + 1 if last is not None and same else 1
        self._pins[key] = self._clock(), replace(pin, turns=turns, idle=0.0, tool_loop=False)
        self._pins.move_to_end(key)
        while len(self._pins) > self._limit:
            self._pins.popitem(last=False)


def session_key(
    headers: Mapping[str, str],
    body: Mapping[str, object],
    principal: str,
    protection: Protection,
    recipe: str,
) -> str:
    """The name of the session that a request belongs to, a hash; "" if it cannot be told.

    By the first there is: the session or conversation header, Claude Code's session header, Anthropic's
    metadata.user_id, else a fingerprint of how the conversation began. The principal is part of the
    hash, so nobody gets into another's session, and so is the recipe: the model that served one may be
    none that another one allows.
    """
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    named = (
        headers.get(protection.conversation_header if protection.scope == "conversation" else ""),
        headers.get(protection.session_header),
        headers.get("x-claude-code-session-id"),
        f"ant-md-{user}" if isinstance(user, str) and user else None,
    )
    name = next((value for value in named if value), None) or _beginning(body.get("messages"))
    if not name:
        return ""
    parts = (principal, recipe, name)
    whole = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()


def _beginning(messages: object) -> str:
    """Everything up to the first message of the user, which every later turn repeats."""
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return ""
    digest = hashlib.sha256()
    for message in messages:
        if not isinstance(message, Mapping):
            return ""
        digest.update(repr((message.get("role"), message.get("content"))).encode(errors="surrogatepass"))
        if message.get("role") == "user":
            return "fingerprint-" + digest.hexdigest()
    return ""


def is_tool_loop(body: Mapping[str, object]) -> bool:
    """The last message brings results of tools, so the model is in the middle of an answer."""
    messages = body.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        return False
    last = messages[-1]
    if not isinstance(last, Mapping):
        return False
    if last.get("role") in ("tool", "function"):
        return True
    parts = last.get("content")
    return isinstance(parts, list) and any(
        isinstance(part, Mapping) and part.get("type") == "tool_result" for part in parts
    )


def cost_of_leaving(pin: Pin, tokens: int, ours: Pricing | None, theirs: Pricing | None) -> float:
    """What the lost prompt cache costs, as a share of the prompt's price, from 0 to 1.

    The pinned model reads what it has cached at the price of cached input and the rest at the full
    price; another one reads everything at its full price. Without prices it is the cached share.
    """
    if tokens <= 0:
        return 0.0
    cached = min(pin.tokens, tokens)
    if ours is None or theirs is None or ours.prompt <= 0:
        return cached / tokens
    staying = cached * ours.cached + (tokens - cached) * ours.prompt
    leaving = tokens * theirs.prompt
    return max(0.0, min(1.0, (leaving - staying) / (tokens * max(ours.prompt, theirs.prompt))))


def gain(scores: Mapping[str, float], ours: str, theirs: str) -> float | None:
    """By how much another model is better, as a share of the range of all scores; None if unknown."""
    if ours not in scores or theirs not in scores:
        return None
    span = max(scores.values()) - min(scores.values())
    return 0.0 if span < EQUAL else (scores[theirs] - scores[ours]) / span
