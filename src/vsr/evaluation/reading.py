"""Texts and requests through the server's own path: parsed, judged, held against the bundle's thresholds.

What is measured here is what is served. Nothing is forwarded and no configuration is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vsr.chat.request import parse_chat_request
from vsr.config.policy import Policy
from vsr.encoder.bundle import Bundle, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.errors import BundleError
from vsr.facts import Facts, Role
from vsr.router import judge

AT_ONCE = 64
QUEUE_TOKENS = 50_000_000
"""Nobody else waits here, so long texts may queue."""
PATIENCE = 3_600.0
"""Seconds for one request: of long texts, AT_ONCE of them wait for one another."""

Body = Mapping[str, Any]
Done = Callable[[int], None]


def unwatched(_: int) -> None:
    pass


def body_of(text: str, role: Role = "user") -> Body:
    """A request of one message."""
    return {"model": "auto", "messages": [{"role": role, "content": text}]}


class Judge:
    """A bundle that is started once and asked many times; use it in a `with`."""

    def __init__(self, bundle: Path) -> None:
        self._path = bundle
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.bundle: Bundle = load_bundle(self._path)
        self._encoder = self._runner.run(Encoder.start(self.bundle, queue_tokens=QUEUE_TOKENS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._encoder.aclose())
        self._runner.close()

    def texts(self, texts: Sequence[str], role: Role = "user", done: Done = unwatched) -> list[Facts]:
        """The facts of each text, each a request of one message."""
        return self.requests([body_of(text, role) for text in texts], done)

    def requests(self, bodies: Sequence[Body], done: Done = unwatched) -> list[Facts]:
        """The facts of each request body. `done` is told how many more are judged."""
        return self._runner.run(self._judged(bodies, done))

    async def _judged(self, bodies: Sequence[Body], done: Done) -> list[Facts]:
        facts: list[Facts] = []
        for start in range(0, len(bodies), AT_ONCE):
            part = bodies[start : start + AT_ONCE]
            facts += await asyncio.gather(*map(self._one, part))
            done(len(part))
        return facts

    async def _one(self, body: Body) -> Facts:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        facts = await judge(parse_chat_request(dict(body)), Policy(), self._encoder, deadline=deadline)
        if facts.encoder_error:
            raise BundleError(f"bundle {self._path}: a text could not be read: {facts.encoder_error}")
        return facts
