"""The shape of a conversation: who spoke how often, which tools are in play, what is not text.

Counts and flags only, for rules and for keeping a model through a tool loop. The words are passages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

_TOOL_ROLES = frozenset({"tool", "function"})
_MOST_RESERVED = 2**53
"""More than any model has, and as large a number as a float holds exactly."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """roles: messages by role, as the client wrote it. turns: per ask of a person, oldest first, the
    indices of its passages; the last of them is the routing text. tool_calls: calls the assistant made.
    tool_cycles: assistant messages whose calls were answered. in_tool_loop: the last word is a tool's.
    output_reserve: tokens the client allows for the answer, 0 if it does not say."""

    roles: Mapping[str, int] = field(default_factory=dict)
    turns: tuple[tuple[int, ...], ...] = ()
    tool_definitions: int = 0
    tool_calls: int = 0
    tool_cycles: int = 0
    in_tool_loop: bool = False
    images: int = 0
    tool_choice: Literal["", "none", "required"] = ""
    output_reserve: int = 0

    @property
    def messages(self) -> int:
        return sum(self.roles.values())


def read_conversation(
    body: Mapping[str, Any], turns: tuple[tuple[int, ...], ...], ends_with_person: bool
) -> Conversation:
    """`body` passed the checks of a chat request. ends_with_person: a person's words follow the last
    tool result, so that the loop is over."""
    messages: Sequence[Mapping[str, Any]] = body["messages"]
    calls = [_calls(message) for message in messages]
    answered = sum(
        1
        for index, count in enumerate(calls)
        if count and index + 1 < len(messages) and messages[index + 1]["role"] in _TOOL_ROLES
    )
    return Conversation(
        roles=Counter(message["role"] for message in messages),
        turns=turns,
        tool_definitions=_length(body.get("tools")) + _length(body.get("functions")),
        tool_calls=sum(calls),
        tool_cycles=answered,
        in_tool_loop=not ends_with_person and any(message["role"] in _TOOL_ROLES for message in messages),
        images=sum(_images(message) for message in messages),
        tool_choice=_tool_choice(body.get("tool_choice", body.get("function_call"))),
        output_reserve=_reserve(body),
    )


def _calls(message: Mapping[str, Any]) -> int:
    if message["role"] != "assistant":
        return 0
    return _length(message.get("tool_calls")) + int(isinstance(message.get("function_call"), dict))


def _images(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return 0
    return sum(1 for part in content if isinstance(part, dict) and "image" in part.get("type", ""))


def _tool_choice(choice: object) -> Literal["", "none", "required"]:
    if choice == "none":
        return "none"
    return "required" if choice == "required" or isinstance(choice, dict) else ""


def _reserve(body: Mapping[str, Any]) -> int:
    values = (body.get("max_completion_tokens"), body.get("max_tokens"))
    reserve = next((value for value in values if type(value) is int and value > 0), 0)
    return min(reserve, _MOST_RESERVED)


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else 0
