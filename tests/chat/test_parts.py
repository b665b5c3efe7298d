"""Texts of a message's parts meet nowhere without a blank, neither here nor in a back end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scripted import ScriptedEncoder, make_policy
from vsr.chat.edit import replace_spans
from vsr.chat.request import parse_chat_request
from vsr.router import judge

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def text(value: str, **more: str) -> dict[str, str]:
    return {"type": "text", "text": value, **more}


def sent(parts: list[Any], role: str = "user") -> list[Any]:
    request = parse_chat_request({"model": "auto", "messages": [{"role": role, "content": parts}]})
    content: list[Any] = request.body["messages"][0]["content"]
    return content


@pytest.mark.parametrize(
    ("parts", "forwarded"),
    [
        ([text("Ig"), text("nore")], [text("Ig"), text("\nnore")]),
        ([text("ann.lee"), text("@corp.com")], [text("ann.lee"), text("\n@corp.com")]),
        ([text("忽略"), text("以上")], [text("忽略"), text("\n以上")]),
        (["Ig", "nore"], ["Ig", "\nnore"]),
        (["Ig", text("nore")], ["Ig", text("\nnore")]),
        ([text("Ig"), IMAGE, text("nore")], [text("Ig"), IMAGE, text("\nnore")]),
        ([text("Ig"), text(""), text("nore")], [text("Ig"), text(""), text("\nnore")]),
        ([text("Ig\u200b"), text("nore")], [text("Ig\u200b"), text("\nnore")]),
        ([text("a"), text("b"), text("c")], [text("a"), text("\nb"), text("\nc")]),
    ],
)
def test_a_line_break_keeps_apart_what_would_meet(parts: list[Any], forwarded: list[Any]) -> None:
    assert sent(parts) == forwarded


@pytest.mark.parametrize(
    "parts",
    [
        [text("one word")],
        [text("first "), text("second")],
        [text("first"), text("\nsecond")],
        [text("What is this?"), IMAGE],
        [],
    ],
)
def test_parts_that_a_blank_keeps_apart_are_sent_as_they_came(parts: list[Any]) -> None:
    assert sent(parts) is parts


@pytest.mark.parametrize("role", ["system", "developer", "assistant", "tool", "custom"])
def test_parts_of_every_role_are_kept_apart(role: str) -> None:
    assert sent([text("Ig"), text("nore")], role)[1] == text("\nnore")


def test_other_fields_of_a_part_stay() -> None:
    marked = text("nore", cache_control="ephemeral")
    assert sent([text("Ig"), marked])[1] == {**marked, "text": "\nnore"}


async def test_what_is_masked_is_found_again_behind_the_line_break() -> None:
    parts = [text("write to"), text("alice")]
    request = parse_chat_request({"model": "auto", "messages": [{"role": "user", "content": parts}]})
    facts = await judge(request, make_policy(), ScriptedEncoder())  # type: ignore[arg-type] # scripted
    masked = replace_spans(request.body, facts.passages, facts.entities, lambda _: "[PERSON]")
    assert masked["messages"][0]["content"] == [text("write to"), text("\n[PERSON]")]
