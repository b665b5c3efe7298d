"""Which header fields a configuration may name, why not the others, and values of fields as text."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")  # line breaks would start a new header
_FRAMING: Final = frozenset(
    {
        *("connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "content-encoding", "content-type", "expect"),
        *("accept-encoding", "http2-settings", "proxy-authenticate"),
    }
)
_ROUTERS: Final = ("x-vsr-", "x-envoy-", "x-selected-model", "x-gateway-destination-endpoint", ":")
CREDENTIALS: Final = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie", "x-goog-api-key"}
)


def header_complaint(name: str, value: str = "") -> str:
    """Why this header cannot be set or removed; empty if it can."""
    lower = name.lower()
    if lower.startswith(_ROUTERS):
        return f"header '{name}' belongs to the router"
    if not _NAME.fullmatch(name):
        return (
            "is not a header name"
            if len(name) > 60 or not name.isprintable()
            else f"'{name}' is not a header name"
        )
    if lower in _FRAMING:
        return f"header '{name}' belongs to the connection, not to the request"
    if not _VALUE.fullmatch(value):
        return f"the value of header '{name}' holds control characters"
    return ""


def mutation_complaint(name: str, value: str = "") -> str:
    """The same for a decision that sets or removes it; who calls is not for a decision to say."""
    lower = name.lower()
    if complaint := header_complaint(name, value):
        return complaint
    if lower.startswith("x-authz-"):
        return f"header '{name}' belongs to the router"
    if lower == "proxy-authorization":
        return f"header '{name}' belongs to the connection, not to the request"
    if any(character > "\xff" for character in value):
        return f"the value of header '{name}' holds characters beyond Latin-1"
    return ""


def printable(name: str) -> str:
    """A configured name as a header value: what is not ASCII is percent-encoded."""
    return name if name.isascii() and name.isprintable() else quote(name, safe=" /:,._-")


def text(value: str) -> str:
    """The value of a field whose bytes came in as Latin-1: as UTF-8, if that is what they are."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def is_credential(name: str) -> bool:
    return name.lower() in CREDENTIALS
