"""Back ends' answers on their way to the client: passed on byte for byte, and looked at on the way.

A stream is cut into events, never held back longer than the event that is arriving. What is learnt
(usage, finish reason, first content) is for accounting; the only changes are the removal of usage that
the router asked for on its own account and an error event where the back end broke off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vsr.chat.sse import Event, EventParser, encode_event
from vsr.errors import BadBackend, RequestError

_MOST_TOKENS: Final = 10**9
"""Of one answer. A greater number is no count, and one of 400 digits is too much for a metric."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the back end counted them. cached: of the prompt, read from its prefix cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0

    @classmethod
    def parse(cls, usage: object) -> Usage | None:
        if not isinstance(usage, dict):
            return None
        prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        details = usage.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens") if isinstance(details, dict) else 0
        total = _count(usage, "total_tokens") or prompt + completion
        return cls(prompt, completion, total, cached)


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= _MOST_TOKENS else 0


@dataclass(frozen=True, slots=True)
class PlainResponse:
    """What a whole, successful answer says about itself."""

    model: str
    finish_reason: str
    usage: Usage | None

    @classmethod
    def parse(cls, body: bytes) -> PlainResponse:
        """`body` of a 2xx answer. BadBackend if it is no chat completion."""
        completion = _json_object(body)
        if completion is None:
            raise BadBackend("the back end's answer is not a JSON object")
        choices = completion.get("choices")
        if not isinstance(choices, list):
            raise BadBackend("the back end's answer has no choices")
        return cls(_text(completion, "model"), _finish_reason(choices), Usage.parse(completion.get("usage")))


class ResponseStream:
    """One streamed answer. After `finished` or a failure whatever still comes is dropped or passed on
    without being looked at; no method raises.

    swallow_usage: the client did not ask for the final usage event, so it must not see one.
    """

    def __init__(self, swallow_usage: bool) -> None:
        self._parser = EventParser()
        self._swallow_usage = swallow_usage
        self.model = ""
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.content_seen = False  # something a person would see has come: the first token
        self.finished = False  # [DONE] has come
        self.error: RequestError | None = None  # ours, as sent to the client
        self.backend_error = False  # the back end reported an error of its own inside the stream

    def feed(self, chunk: bytes) -> bytes:
        """What to pass on now."""
        if self.error:
            return b""
        try:
            events = self._parser.feed(chunk)
        except BadBackend as error:
            return self.fail(error)
        return b"".join(map(self._pass, events))

    def end(self) -> bytes:
        """The back end closed the stream: what is still to be sent."""
        if self.error:
            return b""
        rest = self._parser.end()
        tail = b""
        if rest is not None and (not rest.data or _is_done(rest) or _json_object(rest.data) is not None):
            tail = self._pass(rest)
            if tail and not tail.endswith((b"\r\r", b"\n\r")):
                tail += b"\n\n"  # so that an error event after it stands alone
        if self.finished or self.finish_reason or self.backend_error:
            return tail
        return tail + self.fail(BadBackend("the back end cut the stream short"))

    def fail(self, error: RequestError) -> bytes:
        """Ends the stream with an error event; nothing more comes out. Empty if it has ended already."""
        if self.error or self.finished:
            return b""
        self.error = error
        return error_event(error)

    def _pass(self, event: Event) -> bytes:
        if self.error:
            return b""
        if self.finished or not event.data:
            return event.raw
        if _is_done(event):
            self.finished = True
            return event.raw
        chunk = _json_object(event.data)
        if chunk is None:
            return self.fail(BadBackend("the back end sent an event that is not a JSON object"))
        return b"" if self._is_usage_alone(chunk) else event.raw

    def _is_usage_alone(self, chunk: Mapping[str, Any]) -> bool:
        """Notes what `chunk` says; whether it is the usage event that the client must not see."""
        self.model = _text(chunk, "model") or self.model
        self.backend_error = self.backend_error or bool(chunk.get("error"))
        usage = Usage.parse(chunk.get("usage"))
        self.usage = usage or self.usage
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices:
            self.finish_reason = _finish_reason(choices) or self.finish_reason
            self.content_seen = self.content_seen or any(map(_has_content, choices))
            return False
        return self._swallow_usage and usage is not None


def _is_done(event: Event) -> bool:
    return event.data.strip() == b"[DONE]"


def _json_object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text(chunk: Mapping[str, Any], name: str) -> str:
    value = chunk.get(name)
    return value if isinstance(value, str) else ""


def _finish_reason(choices: list[Any]) -> str:
    reasons = (_text(choice, "finish_reason") for choice in choices if isinstance(choice, dict))
    return next(filter(None, reasons), "")


def _has_content(choice: object) -> bool:
    """Whether the delta carries more than a role: text, reasoning, a tool call, audio."""
    delta = choice.get("delta") if isinstance(choice, dict) else None
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")


def error_event(error: RequestError) -> bytes:
    """Clients of OpenAI's format raise on any event with an `error`."""
    return encode_event({"error": error.as_dict()})
