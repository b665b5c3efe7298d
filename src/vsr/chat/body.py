"""Request bodies between bytes and dicts: decompression, strict JSON in, plain JSON out.

Strict, because what is forwarded must be what was judged: whatever two parsers could read in two
ways (duplicate keys, byte-order marks, NaN, lone surrogates) is refused. What the fields mean is not
decided here but in `request`.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from typing import Any, NoReturn

from vsr.errors import InvalidRequest, TooLarge, UnsupportedEncoding

_GZIP = 31  # zlib's wbits for a gzip wrapper
_ZLIB = 15
_RAW_DEFLATE = -15  # "deflate" means a zlib wrapper (RFC 9110 §8.4.1.2), but many clients leave it out

_UTF8_BOM = b"\xef\xbb\xbf"
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def decode_body(raw: bytes, content_encoding: str | None, limit: int) -> bytes:
    """The body as it was before compression, at most `limit` bytes (else TooLarge).

    Only one encoding is undone: stacked ones are how decompression bombs are built, and no client
    needs them. For the same reason a gzip body is one member.
    """
    if len(raw) > limit:
        raise _too_large(limit)
    encoding = (content_encoding or "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding in ("gzip", "x-gzip"):
        return _inflate(raw, _GZIP, limit)
    if encoding == "deflate":
        return _inflate(raw, _ZLIB if _has_zlib_header(raw) else _RAW_DEFLATE, limit)
    raise UnsupportedEncoding("content-encoding must be one of identity, gzip, deflate, and only one")


def _has_zlib_header(raw: bytes) -> bool:
    """CM is 8 and the first two bytes, big-endian, are a multiple of 31 (RFC 1950 §2.2)."""
    return len(raw) >= 2 and raw[0] & 0x0F == 8 and int.from_bytes(raw[:2], "big") % 31 == 0


def _inflate(raw: bytes, wbits: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        body = inflater.decompress(raw, limit + 1)
    except zlib.error:
        raise InvalidRequest("the body is not what its content-encoding says") from None
    if len(body) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise InvalidRequest("the compressed body is cut short")
    if inflater.unused_data:
        raise InvalidRequest("the compressed body goes on after its end")
    return body


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request body must not be larger than {limit} bytes")


def parse_json(raw: bytes, max_nesting: int) -> dict[str, Any]:
    """The JSON object in `raw`. InvalidRequest says what is wrong, never what was in the body.

    max_nesting counts containers inside one another, the outermost included.
    """
    if raw.startswith(_UTF8_BOM):
        raise InvalidRequest("malformed JSON body: it must not start with a byte-order mark")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("malformed JSON body: not valid UTF-8") from None
    body = _loads(text)
    if not isinstance(body, dict):
        raise InvalidRequest("the request body must be a JSON object")
    # No text nests deeper than it opens brackets, and counting bytes is far cheaper than walking.
    if raw.count(b"{") + raw.count(b"[") > max_nesting:
        _check_nesting(body, max_nesting)
    if _ESCAPED_SURROGATE.search(raw):
        _check_surrogates(body)
    return body


def _loads(text: str) -> object:
    # `from None` throughout: a JSONDecodeError holds the whole document.
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_not_a_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"malformed JSON body: not JSON at {where}") from None
    except RecursionError:
        raise InvalidRequest("the JSON body is nested too deeply") from None
    except ValueError:  # CPython refuses to convert integers of more than 4,300 digits
        raise InvalidRequest("malformed JSON body: a number has too many digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidRequest("malformed JSON body: an object has the same key twice")
    return result


def _not_a_number(_: str) -> NoReturn:
    raise InvalidRequest("malformed JSON body: NaN and Infinity are not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise InvalidRequest("malformed JSON body: a number is too large")
    return value


def _check_nesting(body: dict[str, Any], max_nesting: int) -> None:
    level: list[Any] = [body]
    for _ in range(max_nesting):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise InvalidRequest(f"the JSON body is nested too deeply: at most {max_nesting} levels")


def _check_surrogates(body: dict[str, Any]) -> None:
    try:
        dump_json(body)
    except UnicodeEncodeError:
        raise InvalidRequest("malformed JSON body: a string has half of a surrogate pair") from None


def dump_json(body: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
