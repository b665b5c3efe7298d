"""A run's answer in the form in which a model's server would have sent it: whole, or as an event stream.

Its usage is the bill of all calls. A stream of the last model passes as it comes, but for the usage.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from vsr.chat.body import dump_json
from vsr.chat.response import Usage
from vsr.chat.sse import DONE, Event, EventParser, encode_event
from vsr.errors import BackendTimeout, BadBackend
from vsr.loopers.calls import Response, Said
from vsr.loopers.ledger import Ledger
from vsr.providers.headers import Fields

JSON = "application/json"
EVENTS = "text/event-stream"


class Whole:
    """An answer that is complete already; the same interface as one that is still arriving."""

    status = 200

    def __init__(self, body: bytes, content_type: str) -> None:
        self.headers: Fields = [("content-type", content_type)]
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, limit: int) -> bytes:
        return self._body

    def close(self) -> None:
        pass


class Arriving:
    """The last model's stream, until `end` (loop time) and up to `limit` bytes."""

    status = 200

    def __init__(self, response: Response, model: str, ledger: Ledger, *, end: float, limit: int) -> None:
        self.headers: Fields = [("content-type", EVENTS)]
        self._response = response
        self._billed = _Billed(model, ledger)
        self._end = end
        self._limit = limit

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises BadBackend if it is cut short or too long, BackendTimeout if it stalls or takes too long."""
        arriving = aiter(self._response.chunks())
        received = 0
        while True:
            try:
                async with asyncio.timeout_at(self._end):
                    chunk = await anext(arriving, b"")
            except TimeoutError:
                raise BackendTimeout("The answer took longer than it may.", code="looper_timeout") from None
            if not chunk:
                break
            received += len(chunk)
            if received > self._limit:
                raise BadBackend(f"A model sent an answer of more than {self._limit} bytes.")
            yield self._billed.feed(chunk)
        yield self._billed.end()

    async def read(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    def close(self) -> None:
        self._response.close()


class _Billed:
    """Rewrites what a stream says about usage: the whole run's, once, before its end."""

    def __init__(self, model: str, ledger: Ledger) -> None:
        self._parser = EventParser()
        self._model = model
        self._ledger = ledger
        self._usage: Usage | None = None
        self._paid = False
        self._head: dict[str, Any] = {}

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(map(self._pass, self._parser.feed(chunk)))

    def end(self) -> bytes:
        rest = self._parser.end()
        tail = self._pass(rest) if rest is not None else b""
        self._pay()
        return tail

    def _pass(self, event: Event) -> bytes:
        if event.data.strip() == b"[DONE]":
            self._pay()
            return encode_event({**self._head, "choices": [], "usage": self._ledger.usage()}) + event.raw
        try:
            chunk = json.loads(event.data) if event.data else None
        except (ValueError, RecursionError):
            return event.raw  # whoever reads the stream further on says what is wrong with it
        if not isinstance(chunk, dict):
            return event.raw
        self._head = {key: chunk[key] for key in ("id", "object", "created", "model") if key in chunk}
        usage = Usage.parse(chunk.get("usage"))
        if usage is None:
            return event.raw
        self._usage = usage  # the newest counts: some servers report it with every event
        return b"" if not chunk.get("choices") else encode_event({**chunk, "usage": None})

    def _pay(self) -> None:
        """At [DONE], and at the end for servers that send none."""
        if self._paid and self._usage is None:
            return
        self._ledger.pay(self._model, self._usage)
        self._usage, self._paid = None, True


def plain(completion: Mapping[str, Any], choices: Sequence[Any], ledger: Ledger, **more: object) -> Whole:
    body = {**completion, "choices": list(choices), "usage": ledger.usage(), **more}
    return Whole(dump_json(body), JSON)


def streamed(completion: Mapping[str, Any], choices: Sequence[Any], ledger: Ledger) -> Whole:
    """Answers that were heard whole, as the events of a stream."""
    head = {key: completion[key] for key in ("id", "created", "model") if key in completion}
    head |= {"object": "chat.completion.chunk"}
    events = [{**head, "choices": [part]} for choice in choices for part in _parts(choice)]
    events.append({**head, "choices": [], "usage": ledger.usage()})
    return Whole(b"".join(map(encode_event, events)) + DONE, EVENTS)


def choices_of(answers: Sequence[Said], *, logprobs: bool) -> list[dict[str, Any]]:
    """One choice each. Log-probabilities that only the run wanted to see do not go on."""
    choices = []
    for index, said in enumerate(answers):
        choice = {**said.choice, "index": index}
        if not logprobs:
            choice["logprobs"] = None
        choices.append(choice)
    return choices


def _parts(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    delta = {key: value for key, value in message.items() if value is not None}
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
    part = {"index": choice["index"], "logprobs": choice.get("logprobs"), "finish_reason": None}
    yield {**part, "delta": {"role": "assistant", **delta}}
    yield {**part, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason") or "stop"}
