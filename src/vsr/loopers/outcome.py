"""What an algorithm ends with: an answer it holds, or the call whose answer will be the client's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vsr.loopers.calls import Ask, Said


@dataclass(frozen=True, slots=True)
class Held:
    """Answers that have been heard, one choice each. shown: for a plain answer of a run that reveals
    what happened on the way."""

    answers: tuple[Said, ...]
    shown: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Closing:
    """One more call, streamed if the client wants that. instead: the answer if it fails. relayed: an error
    status of the model goes to the client as it is, as if nothing had been called before."""

    ask: Ask
    instead: Said | None = None
    relayed: bool = False
    shown: dict[str, Any] = field(default_factory=dict, repr=False)


Outcome = Held | Closing


def responses(answers: list[Said]) -> list[dict[str, str]]:
    """As they are shown."""
    return [{"model": said.model, "content": said.content} for said in answers]
