"""Which header fields may cross a proxy, and which it has to make anew.

RFC 9110 §7.6.1: fields about one connection, those that `Connection` names included, never go further.
Framing, host and codings are this hop's own business as well. Stops before anything about models or
credentials: that is decided with the route.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

Fields = Sequence[tuple[str, str]]
"""Header fields in order, names in lower case."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    }
)
# The body that goes on is the one that was judged: decoded, edited, of another length.
MADE_FOR_REQUEST = frozenset({"host", "content-length", "content-encoding", "accept-encoding", "expect"})
_MADE_FOR_RESPONSE = frozenset({"date", "server"})
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def towards_backend(fields: Fields, *, remove: Collection[str], set_: Mapping[str, str]) -> Fields:
    """The client's fields as they go to a back end: without `remove`, `set_` in place of what was there.
    Codings are refused (`accept-encoding: identity`), since answers are read on the way back."""
    kept = _edited(fields, MADE_FOR_REQUEST, remove, set_)
    return [*kept, ("accept-encoding", "identity")]


def towards_client(fields: Fields, *, remove: Collection[str], set_: Mapping[str, str]) -> Fields:
    """A back end's fields as they go to the client. A field with a control character in its value,
    which lenient parsers let through, is dropped rather than split in two."""
    clean = [(name, value) for name, value in fields if not _CONTROL.search(value)]
    return _edited(clean, _MADE_FOR_RESPONSE, remove, set_)


def _edited(
    fields: Fields, ours: frozenset[str], remove: Collection[str], set_: Mapping[str, str]
) -> list[tuple[str, str]]:
    named = {
        token.strip().lower() for name, value in fields if name == "connection" for token in value.split(",")
    }
    dropped = HOP_BY_HOP | ours | named | set(remove) | set(set_)
    return [*((name, value) for name, value in fields if name not in dropped), *set_.items()]
