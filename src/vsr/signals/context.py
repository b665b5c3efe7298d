"""Context rules: how many tokens a request will need of a model's window.

The count is an estimate: no tokenizer is asked, since each back end has its own. What back ends report
as prompt tokens calibrates it, smoothed and within bounds, so that no single odd answer moves routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vsr.chat.conversation import Conversation
from vsr.config.policy_signals import ContextRule
from vsr.facts import Passage, Signal

PER_IMAGE: Final = 8_192
PER_MESSAGE: Final = 4
PER_TOOL: Final = 8
"""The original's reserves, in tokens."""
_SMOOTHING: Final = 0.05
_BOUNDS: Final = (0.5, 2.0)
_SMALL: Final = 64
"""Shorter prompts say more about a back end's chat template than about its tokenizer."""


def estimate_tokens(passages: Sequence[Passage]) -> int:
    """An upper guess without tokenising: a token has about four letters, or is one other character."""
    characters = sum(len(passage.text) for passage in passages)
    encoded = sum(_size(passage.text.reveal()) for passage in passages)
    wide = (encoded - characters) // 2  # a Chinese character is three bytes
    return (characters - wide) // 4 + wide + 1 if passages else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class TokenCalibration:
    """Tokens that back ends counted for each estimated one, an exponentially weighted mean."""

    def __init__(self) -> None:
        self.factor = 1.0

    def observe(self, estimated: int, counted: int) -> None:
        if estimated < _SMALL or counted < 1:
            return
        low, high = _BOUNDS
        ratio = min(high, max(low, counted / estimated))
        self.factor += _SMOOTHING * (ratio - self.factor)


def window_tokens(passages: Sequence[Passage], conversation: Conversation, factor: float = 1.0) -> int:
    """Text, framing, images and what the client reserves for the answer."""
    framing = PER_MESSAGE * conversation.messages + PER_TOOL * conversation.tool_definitions
    images = PER_IMAGE * conversation.images
    return round(estimate_tokens(passages) * factor) + framing + images + conversation.output_reserve


def evaluate(rules: Sequence[ContextRule], tokens: int) -> list[Signal]:
    return [
        Signal(
            "context",
            rule.name,
            rule.minimum <= tokens and (rule.maximum is None or tokens <= rule.maximum),
            detail=f"about {tokens} tokens",
            value=float(tokens),
        )
        for rule in rules
    ]
