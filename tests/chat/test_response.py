"""Answers of back ends: passed on unchanged, counted on the way, and ended honestly when they break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vsr.chat.response import PlainResponse, ResponseStream, Usage, error_event
from vsr.chat.sse import DONE, EventParser, encode_event
from vsr.errors import BackendTimeout, BadBackend

COUNTS = {
    "prompt_tokens": 11,
    "completion_tokens": 5,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 8},
}
COUNTED = Usage(11, 5, 16, 8)


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **more: object) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return encode_event({"id": "c", "model": "math-7b", "choices": choices, **more})


ROLE = chunk({"role": "assistant", "content": ""}, usage=None)
HELLO = chunk({"content": "hel微lo"}, usage=None)
STOP = chunk({}, "stop", usage=None)
USAGE = chunk(None, usage=COUNTS)
WHOLE = b": hi\n\n" + ROLE + HELLO + STOP + USAGE + DONE


def through(stream: ResponseStream, *chunks: bytes) -> bytes:
    return b"".join(map(stream.feed, chunks)) + stream.end()


def errors(sent: bytes) -> list[dict[str, Any]]:
    events = [event.data for event in EventParser().feed(sent) if event.data.startswith(b"{")]
    return [event["error"] for event in map(json.loads, events) if "error" in event]


def crlf(stream: bytes) -> bytes:
    return stream.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("convert", [bytes, crlf])
def test_a_stream_passes_unchanged_whole_and_byte_by_byte(convert: Any) -> None:
    sent = convert(WHOLE)
    for chunks in ([sent], [bytes([byte]) for byte in sent]):
        stream = ResponseStream(swallow_usage=False)
        assert through(stream, *chunks) == sent
        assert (stream.usage, stream.finish_reason, stream.model) == (COUNTED, "stop", "math-7b")
        assert stream.finished
        assert stream.error is None


@pytest.mark.parametrize("convert", [bytes, crlf])
def test_usage_the_client_did_not_ask_for_is_swallowed_and_counted(convert: Any) -> None:
    sent = convert(WHOLE)
    for chunks in ([sent], [bytes([byte]) for byte in sent]):
        stream = ResponseStream(swallow_usage=True)
        assert through(stream, *chunks) == sent.replace(convert(USAGE), b"")
        assert stream.usage == COUNTED


def test_usage_beside_content_is_not_swallowed() -> None:
    last = chunk({"content": "x"}, "stop", usage=COUNTS)
    filtered = chunk(None, prompt_filter_results=[])
    stream = ResponseStream(swallow_usage=True)
    assert through(stream, filtered, last, DONE) == filtered + last + DONE
    assert stream.usage == COUNTED


def test_an_event_is_passed_on_as_soon_as_it_is_whole() -> None:
    stream = ResponseStream(swallow_usage=True)
    assert stream.feed(HELLO[:-1]) == b""
    assert stream.feed(HELLO[-1:] + STOP[:9]) == HELLO


@pytest.mark.parametrize(
    ("delta", "seen"),
    [
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "refusal": None}, False),
        ({}, False),
        ({"content": "x"}, True),
        ({"reasoning_content": "x"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
    ],
)
def test_the_first_token_is_the_first_delta_that_says_something(delta: dict[str, Any], seen: bool) -> None:
    stream = ResponseStream(swallow_usage=False)
    stream.feed(chunk(delta))
    assert stream.content_seen is seen


@pytest.mark.parametrize(
    "garbage", [b"<html>secret</html>", b"{'secret': 1}", b"[1]", b"\xff\xfe", b"[" * 100_000, b'"x"']
)
def test_an_event_that_is_no_json_object_ends_the_stream_with_an_error_event(garbage: bytes) -> None:
    stream = ResponseStream(swallow_usage=False)
    sent = through(stream, HELLO + b"data: " + garbage + b"\n\n" + HELLO, STOP, DONE)
    assert sent.startswith(HELLO)
    assert sent.count(b"\n\n") == 2
    (error,) = errors(sent)
    assert error["code"] == "bad_backend"
    assert set(error) == {"message", "type", "param", "code"}
    assert b"secret" not in sent
    assert isinstance(stream.error, BadBackend)


@pytest.mark.parametrize("end", [b"", STOP[:20], b"data: ", b": half a comm"])
def test_a_stream_that_is_cut_short_ends_with_an_error_event(end: bytes) -> None:
    stream = ResponseStream(swallow_usage=True)
    (error,) = errors(through(stream, ROLE, HELLO, end))
    assert error["message"] == "the back end cut the stream short"


def test_a_stream_of_nothing_is_cut_short() -> None:
    assert len(errors(ResponseStream(swallow_usage=True).end())) == 1


@pytest.mark.parametrize("last", [STOP, HELLO + STOP[:-2], STOP + USAGE[:10]])
def test_a_stream_with_a_finish_reason_needs_no_done(last: bytes) -> None:
    stream = ResponseStream(swallow_usage=True)
    assert errors(through(stream, ROLE, last)) == []
    assert stream.finish_reason == "stop"


def test_a_done_without_a_blank_line_counts() -> None:
    stream = ResponseStream(swallow_usage=True)
    assert through(stream, HELLO, b"data: [DONE]\n").startswith(HELLO + b"data: [DONE]\n")
    assert stream.finished
    assert stream.error is None


def test_an_error_event_of_the_back_end_passes_without_a_second_one() -> None:
    event = encode_event({"error": {"message": "out of memory", "code": 500}})
    stream = ResponseStream(swallow_usage=True)
    assert through(stream, HELLO, event) == HELLO + event
    assert stream.backend_error


def test_an_endless_event_is_an_error_and_not_an_endless_buffer() -> None:
    stream = ResponseStream(swallow_usage=True)
    sent = through(stream, b"data: ", *[b"x" * (1 << 20)] * 17, HELLO)
    assert [error["code"] for error in errors(sent)] == ["bad_backend"]


def test_a_failure_of_the_back_end_ends_the_stream_once() -> None:
    stream = ResponseStream(swallow_usage=True)
    stream.feed(HELLO + STOP[:9])
    timeout = BackendTimeout("nothing came for 60 seconds")
    assert stream.fail(timeout) == error_event(timeout)
    assert stream.fail(timeout) + stream.feed(HELLO) + stream.end() == b""


def test_a_failure_after_the_end_says_nothing() -> None:
    stream = ResponseStream(swallow_usage=True)
    through(stream, WHOLE)
    assert stream.fail(BadBackend("connection reset")) == b""


def test_a_plain_answer_tells_usage_finish_reason_and_model() -> None:
    choice = {"index": 0, "message": {"content": "hi"}, "finish_reason": "length"}
    body = json.dumps({"model": "math-7b", "choices": [choice], "usage": COUNTS}).encode()
    assert PlainResponse.parse(body) == PlainResponse("math-7b", "length", COUNTED)


@pytest.mark.parametrize(
    "body", [b"", b"<html>secret", b"[]", b"null", b"{}", b'{"choices": {}}', b"[" * 9999]
)
def test_a_plain_answer_that_is_no_completion_is_a_bad_backend(body: bytes) -> None:
    with pytest.raises(BadBackend) as caught:
        PlainResponse.parse(body)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, None),
        ("many", None),
        ({}, Usage()),
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4, 7)),
        ({"prompt_tokens": -3, "completion_tokens": True, "total_tokens": "x"}, Usage()),
        ({"prompt_tokens_details": {"cached_tokens": None}}, Usage()),
        ({"prompt_tokens": 10**400, "completion_tokens": 4}, Usage(0, 4, 4)),
    ],
)
def test_odd_usage_counts_as_far_as_it_makes_sense(usage: object, counted: Usage | None) -> None:
    assert Usage.parse(usage) == counted
