"""Server-sent events: cutting a byte stream into events, and writing events.

Follows the WHATWG event-stream grammar, but keeps the raw bytes of every event: the parser is there to
look at a stream that is passed on, so joining `raw` of all events gives the stream back. What the data
means is `response`'s business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vsr.chat.body import dump_json
from vsr.errors import BadBackend

MAX_EVENT_BYTES = 16 * 1024 * 1024  # an event may carry an image or a piece of audio

DONE = b"data: [DONE]\n\n"

# A CR at the end of what has arrived may be half of a CRLF, so it ends a line only once the next byte
# is known.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")


@dataclass(frozen=True, slots=True)
class Event:
    """data: the values of its `data:` lines joined by line feeds; empty for a mere comment."""

    data: bytes
    raw: bytes

    def __repr__(self) -> str:
        return f"<Event of {len(self.raw)} bytes>"


class EventParser:
    """Incremental: any way of cutting the same bytes into chunks gives the same events."""

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._line = 0  # where the unfinished line starts
        self._scanned = 0  # before this there is no line end that was not seen

    def feed(self, chunk: bytes) -> list[Event]:
        """The events completed by `chunk`. BadBackend if one is larger than the limit."""
        buffer = self._buffer
        buffer += chunk
        events = []
        start = 0
        while end := _LINE_END.search(buffer, self._scanned):
            blank = end.start() == self._line
            self._line = self._scanned = end.end()
            if blank:
                events.append(_event(bytes(buffer[start : self._line])))
                start = self._line
        self._scanned = max(self._line, len(buffer) - 1) - start
        self._line -= start
        del buffer[:start]
        if len(buffer) > self._limit:
            raise BadBackend(f"the back end sent an event of more than {self._limit} bytes")
        return events

    def end(self) -> Event | None:
        """What was left without a blank line after it, if anything."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._line = self._scanned = 0
        return _event(raw) if raw else None


def _event(raw: bytes) -> Event:
    values = []
    for line in raw.splitlines():  # of bytes: only at CR, LF and CRLF, as the grammar wants
        if line.startswith(b"data:"):
            values.append(line[5:].removeprefix(b" "))
        elif line == b"data":
            values.append(b"")
    return Event(b"\n".join(values), raw)


def encode_event(data: object) -> bytes:
    return b"data: " + dump_json(data) + b"\n\n"
