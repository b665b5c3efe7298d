"""Bodies: strict JSON, one content-encoding, and nothing of the client's text in an error."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from vsr.chat.body import decode_body, dump_json, parse_json
from vsr.errors import InvalidRequest, TooLarge, UnsupportedEncoding

LIMIT = 1000

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda raw: raw,
    "gzip": lambda raw: gzip.compress(raw),
    "deflate": lambda raw: zlib.compress(raw),
}


def deflate(raw: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(raw) + compressor.flush()


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_plain_body_is_returned_as_it_is(encoding: str | None) -> None:
    assert decode_body(b"{}", encoding, LIMIT) == b"{}"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_undone(encoding: str) -> None:
    assert decode_body(gzip.compress(b'{"a":1}'), encoding, LIMIT) == b'{"a":1}'


@pytest.mark.parametrize("wbits", [15, -15])
def test_deflate_is_undone_with_and_without_its_zlib_wrapper(wbits: int) -> None:
    assert decode_body(deflate(b'{"a":1}', wbits), "deflate", LIMIT) == b'{"a":1}'


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, identity", "compress"])
def test_other_and_stacked_encodings_are_415(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding) as caught:
        decode_body(gzip.compress(b"{}"), encoding, LIMIT)
    assert caught.value.http_status == 415


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(encoding: str) -> None:
    encode = ENCODERS[encoding]
    assert decode_body(encode(b"x" * LIMIT), encoding, LIMIT) == b"x" * LIMIT
    with pytest.raises(TooLarge):
        decode_body(encode(b"x" * (LIMIT + 1)), encoding, LIMIT)


def test_a_decompression_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000, compresslevel=9)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decode_body(bomb, "gzip", 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_body_that_is_cut_garbage_or_followed_by_more_is_refused(encoding: str) -> None:
    whole = gzip.compress(b'{"a":1}') if encoding == "gzip" else zlib.compress(b'{"a":1}')
    for broken in (whole[:-1], whole[:5], b"", b"not compressed at all", whole + whole, whole + b"x"):
        with pytest.raises(InvalidRequest):
            decode_body(broken, encoding, LIMIT)


def test_json_passes_with_unicode_and_null_characters() -> None:
    raw = '{"a": "微积分 \\u0000 \\ud83d\\ude00 😀", "b": [1, 2.5, true, null]}'.encode()
    assert parse_json(raw, 10) == {"a": "微积分 \0 😀 😀", "b": [1, 2.5, True, None]}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "malformed JSON body"),
        (b"{'secret': 1}", "malformed JSON body"),
        (b'{"secret": 1} trailing', "malformed JSON body"),
        (b'{"secret": 1', "malformed JSON body"),
        (b'{"a": "secret\xff"}', "UTF-8"),
        (b'{"a": "secret\xed\xa0\x80"}', "UTF-8"),
        (b'\xef\xbb\xbf{"secret": 1}', "byte-order mark"),
        ('{"secret": 1}'.encode("utf-16"), "malformed JSON body"),
        (b'{"secret": NaN}', "NaN"),
        (b'{"secret": -Infinity}', "Infinity"),
        (b'{"secret": 1e999}', "too large"),
        (b'{"secret": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"secret": "\\ud800"}', "surrogate"),
        (b'{"\\udc00secret": 1}', "surrogate"),
        (b'["secret"]', "must be a JSON object"),
        (b'"secret"', "must be a JSON object"),
        (b'{"secret": 1, "secret": 2}', "same key twice"),
        (b'{"a": [{"secret": 1, "\\u0073ecret": 2}]}', "same key twice"),
        (b'{"a": "sec\nret"}', "malformed JSON body"),
    ],
)
def test_whatever_two_parsers_could_read_differently_is_400_without_a_quote(raw: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_json(raw, 10)
    assert says in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_counted_and_bounded(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        return ('{"a":' + opening * levels + "1" + closing * levels + "}").encode()

    assert parse_json(nested(9), 10)
    for levels in (10, 100, 1_000, 100_000):
        with pytest.raises(InvalidRequest, match="nested too deeply"):
            parse_json(nested(levels), 10)


def test_many_brackets_side_by_side_are_not_nesting() -> None:
    assert parse_json(b'{"a":[' + b",".join([b"[]"] * 1000) + b"]}", 3)


def test_a_body_is_written_compactly_in_utf_8() -> None:
    assert dump_json({"a": [1, "微"], "b": None}) == '{"a":[1,"微"],"b":null}'.encode()


def test_ten_megabytes_go_through_unchanged() -> None:
    content = "Ein Satz mit „Zeichen“ und 中文。 " * 200_000
    raw = json.dumps({"messages": [{"role": "user", "content": content}]}, ensure_ascii=True).encode()
    assert len(raw) > 10_000_000
    assert parse_json(dump_json(parse_json(raw, 10)), 10)["messages"][0]["content"] == content
