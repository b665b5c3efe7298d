"""What one request gives the signals to judge by: its text, its shape, and what was read of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vsr.chat.conversation import Conversation
from vsr.chat.request import ChatRequest
from vsr.facts import Entity, Passage, Readings
from vsr.signals.asked import Asked
from vsr.signals.authz import NOBODY, Caller


@dataclass(frozen=True, slots=True)
class Evidence:
    """ask: indices of the passages that hold the routing text. readings None: the encoder could not
    answer, and `error` says why. deadline: loop time for whatever must still be asked."""

    passages: tuple[Passage, ...]
    ask: tuple[int, ...]
    conversation: Conversation = field(default_factory=Conversation)
    metadata: Mapping[str, str] = field(default_factory=dict)
    modalities: tuple[str, ...] = ()
    readings: Readings | None = None
    error: str = ""
    entities: tuple[Entity, ...] = ()
    operating_points: Mapping[str, float] = field(default_factory=dict)
    caller: Caller = NOBODY
    deadline: float | None = None

    @property
    def unread(self) -> str:
        """Why the encoder's signals cannot be computed; empty if they can."""
        return "" if self.readings is not None else self.error or "the encoder did not answer"

    def asked(self) -> Asked:
        return Asked(self._text(self.ask))

    def earlier(self) -> list[str]:
        """The asks before the current one, the latest first."""
        return [self._text(turn) for turn in reversed(self.conversation.turns) if turn != self.ask]

    def _text(self, passages: tuple[int, ...]) -> str:
        return "\n".join(self.passages[index].text.reveal() for index in passages)


def evidence_of(
    request: ChatRequest,
    readings: Readings | None,
    error: str,
    entities: tuple[Entity, ...],
    operating_points: Mapping[str, float],
    caller: Caller,
    deadline: float | None,
) -> Evidence:
    metadata, modalities = request.body.get("metadata"), request.body.get("modalities")
    return Evidence(
        passages=request.passages,
        ask=request.ask,
        conversation=request.conversation,
        metadata=metadata if isinstance(metadata, dict) else {},
        modalities=tuple(map(str, modalities)) if isinstance(modalities, list) else (),
        readings=readings,
        error=error,
        entities=entities,
        operating_points=operating_points,
        caller=caller,
        deadline=deadline,
    )
