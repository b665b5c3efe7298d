from __future__ import annotations

from typing import Any

import pytest

from vsr.config.policy import Pricing, Protection
from vsr.selection.sessions import LIVES, Pin, Sessions, cost_of_leaving, is_tool_loop, session_key


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def talk(*texts: str, **fields: object) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[turn % 2], "content": text} for turn, text in enumerate(texts)]
    return {"messages": messages, **fields}


def key(body: dict[str, Any], principal: str = "me", recipe: str = "default", **headers: str) -> str:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return session_key(given, body, principal, Protection(), recipe)


def test_a_pin_counts_the_turns_on_one_model() -> None:
    clock = Clock()
    sessions = Sessions(10, clock)
    for name in ("a", "a", "b", "b", "b"):
        sessions.put("s", Pin(name))
    clock.now += 7
    found = sessions.get("s")
    assert found is not None
    assert (found.model, found.turns, found.idle) == ("b", 3, 7.0)


def test_pins_end_with_time_and_with_room() -> None:
    clock = Clock()
    sessions = Sessions(2, clock)
    for name in ("one", "two", "three"):
        sessions.put(name, Pin("a"))
    assert sessions.get("one") is None
    assert len(sessions) == 2
    clock.now += LIVES + 1
    assert sessions.get("three") is None


def test_later_turns_of_a_conversation_have_its_key() -> None:
    first, later = talk("hello"), talk("hello", "hi", "and now?")
    assert key(first) == key(later) != ""
    assert key(talk("good day")) != key(first)


def test_nobody_gets_into_the_session_of_somebody_else() -> None:
    body = talk("hello")
    assert key(body, "me") != key(body, "you")
    assert key(body, "me", x_session_id="s") != key(body, "you", x_session_id="s")


def test_each_recipe_has_a_session_of_its_own() -> None:
    assert key(talk("hello"), recipe="private") != key(talk("hello"))


def test_a_session_is_known_by_its_header_before_anything_else() -> None:
    assert key(talk("a"), x_session_id="s") == key(talk("b"), x_session_id="s")
    claude = key(talk("a"), x_claude_code_session_id="s")
    assert claude == key(talk("b"), x_claude_code_session_id="s")
    user = key(talk("a", metadata={"user_id": "u"}))
    assert user == key(talk("b", metadata={"user_id": "u"}))
    both = key(talk("a"), x_session_id="s", x_conversation_id="c")
    assert both != key(talk("a"), x_session_id="s")


def test_a_key_shows_nothing_of_the_conversation() -> None:
    assert "hello" not in key(talk("hello"))
    assert len(key(talk("hello"))) == 64


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({"role": "tool", "content": "42", "tool_call_id": "1"}, True),
        ({"role": "user", "content": [{"type": "tool_result", "content": "42"}]}, True),
        ({"role": "user", "content": [{"type": "text", "text": "thanks"}]}, False),
        ({"role": "user", "content": "thanks"}, False),
        ({"role": "assistant", "content": None}, False),
    ],
)
def test_a_tool_loop_ends_with_the_next_word_of_the_user(last: dict[str, object], expected: bool) -> None:
    assert is_tool_loop({"messages": [{"role": "user", "content": "sum"}, last]}) is expected


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": "x"}, {"messages": [1]}])
def test_a_body_without_messages_is_neither_loop_nor_session(body: dict[str, Any]) -> None:
    assert not is_tool_loop(body)
    assert key(body) == ""


@pytest.mark.parametrize(
    ("cached", "ours", "theirs", "expected"),
    [
        (800, Pricing(10, 10, cached_input=1), Pricing(10, 10), 0.72),  # what the cache had saved
        (800, Pricing(10, 10, cached_input=1), Pricing(2, 2), 0.0),  # cheaper even without a cache
        (0, Pricing(10, 10, cached_input=1), Pricing(10, 10), 0.0),
        (800, None, Pricing(1, 1), 0.8),
        (5000, None, None, 1.0),
    ],
)
def test_leaving_costs_what_the_cache_had_saved(
    cached: int, ours: Pricing | None, theirs: Pricing | None, expected: float
) -> None:
    assert cost_of_leaving(Pin("a", tokens=cached), 1000, ours, theirs) == pytest.approx(expected)
