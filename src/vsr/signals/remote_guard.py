"""What a guard of others says about a request: one signal, which the prompt guard reads.

It is shown everything that will reach a model, as the bundle's own head is: the passages of the system
together, and all others together in their order, so that an attack which is split over two messages is
seen. Whoever is exempt by the allow-list is left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from vsr.config.policy import PromptGuard
from vsr.encoder.remote.guard import RemoteGuard
from vsr.errors import VSRError
from vsr.facts import REMOTE_GUARD, Passage, Signal


async def ask(
    guard: PromptGuard, seat: RemoteGuard | None, passages: Sequence[Passage], deadline: float | None
) -> Signal | None:
    """None if none is configured. Never raises VSRError: the signal carries the reason."""
    if guard.remote is None or guard.mode == "off":
        return None
    threshold, started = guard.remote.threshold, time.perf_counter()
    if seat is None:
        return _failed("the remote guard is not open", threshold, 0.0)
    try:
        risk, parts = await seat.risk(_texts(guard, passages), deadline=deadline)
    except VSRError as error:
        return _failed(type(error).__name__, threshold, time.perf_counter() - started)
    return Signal(
        *REMOTE_GUARD,
        risk >= threshold,
        risk,
        threshold,
        detail=f"{seat.name}, {parts} parts",
        value=risk,
        seconds=time.perf_counter() - started,
    )


def _failed(reason: str, threshold: float, seconds: float) -> Signal:
    return Signal(*REMOTE_GUARD, False, 0.0, threshold, error=reason, seconds=seconds)


def _texts(guard: PromptGuard, passages: Sequence[Passage]) -> list[str]:
    judged = [one for one in passages if not guard.exempts(one.text.reveal())]
    system = [one.text.reveal() for one in judged if one.role == "system"]
    others = [one.text.reveal() for one in judged if one.role != "system"]
    return ["\n\n".join(system), "\n\n".join(others)]
