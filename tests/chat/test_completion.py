"""Answers made here look to every client as if a model had given them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from vsr.chat.completion import completion
from vsr.chat.response import ResponseStream
from vsr.chat.sse import EventParser

ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
TEXTS = ["Sorry, I cannot  help.\n\nBye \n", "我不能帮助你。", "", "   ", "\n a"]


def events(sent: bytes) -> list[dict[str, Any]]:
    found = [event.data for event in EventParser().feed(sent)]
    assert found[-1] == b"[DONE]"
    return [json.loads(data) for data in found[:-1]]


def test_a_fast_response_has_the_originals_shape() -> None:
    assert json.loads(completion("Sorry.", stream=False, created=1700000000)) == {
        "id": "chatcmpl-fast-1700000000",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "router",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Sorry."}, "finish_reason": "stop"}
        ],
        "usage": ZERO,
    }


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("finish_reason", ["stop", "content_filter"])
def test_the_streamed_words_join_to_the_text(text: str, finish_reason: Any) -> None:
    chunks = events(completion(text, stream=True, finish_reason=finish_reason, model="m", id_prefix="x-"))
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == text
    assert choices[0]["delta"]["role"] == "assistant"
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + [finish_reason]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {"m"}
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert chunks[0]["id"] == f"x-{chunks[0]['created']}"
    assert all("usage" not in chunk for chunk in chunks)


def test_words_come_one_by_one() -> None:
    assert len(events(completion("one two three", stream=True))) == 1 + 3 + 1


def test_a_stream_ends_with_usage_for_who_asked_for_it() -> None:
    *chunks, last = events(completion("Sorry.", stream=True, usage_requested=True))
    assert (last["choices"], last["usage"]) == ([], ZERO)
    assert all(chunk["usage"] is None for chunk in chunks)


def test_the_openai_client_accepts_both_forms() -> None:
    plain = ChatCompletion.model_validate_json(completion("Sorry.", stream=False), strict=True)
    assert plain.choices[0].message.content == "Sorry."
    for chunk in events(completion("Sorry.", stream=True, usage_requested=True)):
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)


def test_our_own_stream_is_a_whole_stream() -> None:
    sent = completion("Sorry.", stream=True, finish_reason="content_filter")
    stream = ResponseStream(swallow_usage=True)
    assert stream.feed(sent) + stream.end() == sent
    assert stream.finish_reason == "content_filter"
