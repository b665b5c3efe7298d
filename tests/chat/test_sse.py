"""Event streams: the same events however the bytes are cut, and the bytes themselves unchanged."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.chat.sse import DONE, Event, EventParser, encode_event
from vsr.errors import BadBackend


def parse(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    rest = parser.end()
    return [*events, rest] if rest else events


def data(*chunks: bytes) -> list[bytes]:
    return [event.data for event in parse(*chunks)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
        (b"data: a\n\r\rdata: b\r\n\r", [b"a", b"", b"b"]),
        (b"data:a\ndata: b\ndata\ndata:  c\n\n", [b"a\nb\n\n c"]),
        (b": keep-alive\n\ndata: a\n\n", [b"", b"a"]),
        (b"event: delta\nid: 7\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"dataset: a\n data: b\n\n", [b""]),
        (b"\n\ndata: a\n\n", [b"", b"", b"a"]),
        (
            b"data: \xe5\xbe\xae\x85\x0b\x0c\x1c\xe2\x80\xa8x\n\n",
            [b"\xe5\xbe\xae\x85\x0b\x0c\x1c\xe2\x80\xa8x"],
        ),
        (b"data: a\n\ndata: cut", [b"a", b"cut"]),
    ],
)
def test_events_are_the_same_whole_and_byte_by_byte(stream: bytes, expected: list[bytes]) -> None:
    for chunks in ([stream], [bytes([byte]) for byte in stream], [stream[:5], b"", stream[5:]]):
        assert data(*chunks) == expected
        assert b"".join(event.raw for event in parse(*chunks)) == stream


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"data: x", b"data", b":c", b"event: e", b"\r", b"\n", b"\r\n", b"\n\n"])),
    st.lists(st.integers(0, 60)),
)
def test_any_cut_of_any_stream_gives_the_same_events(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    borders = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(borders)]
    assert parse(*chunks) == parse(stream)
    assert b"".join(event.raw for event in parse(stream)) == stream


def test_an_event_comes_out_with_its_last_byte_and_not_before() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\nda") == [Event(b"a", b"data: a\n\n")]


def test_an_event_without_end_is_an_error_at_the_limit() -> None:
    parser = EventParser(limit=100)
    assert parser.feed(b"data: " + b"x" * 90 + b"\n\n")
    parser.feed(b"data: " + b"x" * 94)
    with pytest.raises(BadBackend):
        parser.feed(b"x")


def test_an_event_does_not_show_its_text_when_printed() -> None:
    assert "secret" not in repr(parse(b"data: secret\n\n"))


def test_written_events_are_read_back() -> None:
    assert data(encode_event({"text": "a\nb 微"}) + DONE) == ['{"text":"a\\nb 微"}'.encode(), b"[DONE]"]
