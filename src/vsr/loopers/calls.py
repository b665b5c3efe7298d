"""What a looper asks of a model and what it hears; how a call is carried out is the caller's business."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from vsr.chat.response import Usage
from vsr.config.policy import ModelRef
from vsr.errors import BadBackend
from vsr.providers.headers import Fields
from vsr.selection.members import name_of


class Response(Protocol):
    """An answer whose first bytes have arrived. Always `close` it; closing early ends the call."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Fields: ...

    def chunks(self) -> AsyncIterator[bytes]: ...

    async def read(self, limit: int) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One call. body is the whole request but for the model's own name and reasoning fields."""

    ref: ModelRef
    body: dict[str, Any] = field(repr=False)
    stream: bool = False

    @property
    def model(self) -> str:
        return name_of(self.ref)


CallModel = Callable[[Ask], Awaitable[Response]]
"""Raises BadBackend and BackendTimeout. An error status is an answer."""


class Rejected(BadBackend):
    """A model's server answered with an error status."""

    def __init__(self, model: str, upstream: int) -> None:
        super().__init__(f"The model {model} answered with status {upstream}.")
        self.upstream = upstream


@dataclass(frozen=True, slots=True)
class Said:
    """A whole answer of one model, as it sent it."""

    ref: ModelRef
    completion: Mapping[str, Any] = field(repr=False)

    @property
    def model(self) -> str:
        return name_of(self.ref)

    @property
    def choice(self) -> Mapping[str, Any]:
        choice: Mapping[str, Any] = self.completion["choices"][0]
        return choice

    @property
    def message(self) -> Mapping[str, Any]:
        message = self.choice.get("message")
        return message if isinstance(message, dict) else {}

    @property
    def content(self) -> str:
        content = self.message.get("content")
        return content.strip() if isinstance(content, str) else ""

    @property
    def reasoning(self) -> str:
        values = (self.message.get("reasoning_content"), self.message.get("reasoning"))
        return next((value.strip() for value in values if isinstance(value, str)), "")

    @property
    def usage(self) -> Usage | None:
        return Usage.parse(self.completion.get("usage"))


def read_completion(ref: ModelRef, body: bytes) -> Said:
    """BadBackend if it is no chat completion with something in it."""
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        completion = None
    choices = completion.get("choices") if isinstance(completion, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise BadBackend(f"The model {name_of(ref)} sent something that is not a chat completion.")
    said = Said(ref, completion)
    if not (said.content or said.reasoning or said.message.get("tool_calls") or said.message.get("refusal")):
        raise BadBackend(f"The model {name_of(ref)} sent an empty answer.")
    return said
