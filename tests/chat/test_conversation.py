from __future__ import annotations

from typing import Any

import pytest

from vsr.chat.conversation import Conversation
from vsr.chat.request import parse_chat_request

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, {"id": "b"}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "42"}
USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}


def conversation(*messages: dict[str, Any], **more: Any) -> Conversation:
    return parse_chat_request({"model": "auto", "messages": list(messages), **more}).conversation


def test_messages_and_turns_are_counted() -> None:
    seen = conversation({"role": "developer", "content": "x"}, USER, ANSWER, USER)
    assert (seen.roles["user"], seen.roles["developer"], seen.messages) == (2, 1, 4)
    assert len(seen.turns) == 2


def test_calls_and_answered_calls_are_told_apart() -> None:
    seen = conversation(USER, CALL, RESULT, CALL, tools=[{"type": "function"}] * 3)
    assert (seen.tool_calls, seen.tool_cycles, seen.tool_definitions) == (4, 1, 3)


@pytest.mark.parametrize(
    ("messages", "active"),
    [
        ((USER,), False),
        ((USER, CALL, RESULT), True),
        ((USER, CALL, RESULT, {"role": "user", "content": "<system-reminder>x</system-reminder>"}), True),
        ((USER, CALL, RESULT, ANSWER, USER), False),
        ((RESULT,), True),
    ],
)
def test_a_tool_loop_lasts_until_a_person_speaks_again(
    messages: tuple[dict[str, Any], ...], active: bool
) -> None:
    assert conversation(*messages).in_tool_loop is active


def test_images_are_counted_wherever_they_stand() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert conversation({"role": "user", "content": [image, image]}, USER).images == 2


@pytest.mark.parametrize(
    ("choice", "meaning"),
    [("auto", ""), ("none", "none"), ("required", "required"), ({"type": "function"}, "required")],
)
def test_a_forced_tool_is_required(choice: object, meaning: str) -> None:
    assert conversation(USER, tool_choice=choice).tool_choice == meaning


@pytest.mark.parametrize(
    ("fields", "reserve"),
    [
        ({}, 0),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": True}, 0),
        ({"max_completion_tokens": 7}, 7),
        ({"max_tokens": 10**400}, 2**53),  # no float holds it, and signals are floats
    ],
)
def test_tokens_for_the_answer_are_reserved(fields: dict[str, Any], reserve: int) -> None:
    assert conversation(USER, **fields).output_reserve == reserve
