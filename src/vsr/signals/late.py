"""Services that must be asked something before they can be used, and may be away when the router starts.

Whoever asks meanwhile gets EncoderFailed or EncoderTimeout; the next attempt to connect is made by the
first who asks after a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from vsr.config.policy_services import MCPServer
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.remote.embeddings import HTTPEmbedder
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Limits
from vsr.encoder.remote.mcp import MCPClassifier, Stdio
from vsr.errors import VSRError
from vsr.signals.prototypes import Vector

logger = logging.getLogger(__name__)


class LateMCP:
    """A `TextClassifier`. Connects in the background from the start, and again after `pause` seconds. A
    server that lacks one of the labels of the rule is not asked."""

    def __init__(self, server: MCPServer, labels: tuple[str, ...], *, pause: float = 30.0) -> None:
        self._server = server
        self._expected = labels
        self._pause = pause
        self._again_at = 0.0
        self._why = ""
        self._closed = False
        self._starting: asyncio.Task[MCPClassifier | None] = asyncio.create_task(self._start())

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the rule, until the server told its own."""
        connected = self._result()
        return connected.labels if connected else self._expected

    async def classify(self, texts: Sequence[str], *, deadline: float | None) -> list[Mapping[str, float]]:
        connected = await self._connected(deadline)
        return await connected.classify(texts, deadline=deadline)

    async def aclose(self) -> None:
        self._closed = True
        self._starting.cancel()
        await asyncio.wait([self._starting])
        if connected := self._result():
            await connected.aclose()

    def _result(self) -> MCPClassifier | None:
        one = self._starting
        return one.result() if one.done() and not one.cancelled() else None

    async def _connected(self, deadline: float | None) -> MCPClassifier:
        if self._closed:  # a call would connect anew
            raise EncoderFailed(f"{self.name} is closed")
        now = asyncio.get_running_loop().time()
        if self._starting.done() and self._result() is None and now >= self._again_at:
            self._starting = asyncio.create_task(self._start())
        # an attempt serves all who wait, and goes on when they give up
        await asyncio.wait([self._starting], timeout=None if deadline is None else max(0.0, deadline - now))
        if not self._starting.done():
            raise EncoderTimeout(f"{self.name} is not connected yet")
        connected = self._result()
        if connected is None:
            raise EncoderFailed(self._why or f"{self.name} is closed")
        return connected

    async def _start(self) -> MCPClassifier | None:
        """None, and why, if it is of no use for now."""
        one = self._server
        target = Stdio(one.command, one.args, {key: value.reveal() for key, value in one.env})
        limits = Limits(timeout=one.timeout)
        try:
            server = await MCPClassifier.start(
                one.name, target if one.command else one.url, tool=one.tool, limits=limits
            )
            missing = sorted(set(self._expected) - set(server.labels))
            if not missing:
                return server
            await server.aclose()
            self._why = f"{one.name} has no label '{missing[0]}', which a classifier signal lists"
        except VSRError as error:
            self._why = str(error)
        self._again_at = asyncio.get_running_loop().time() + self._pause
        logger.warning("%s; its signals are in error, asked again in %g s", self._why, self._pause)
        return None


class LateEmbedder:
    """An `Embedder`. dimension 0: that of the first vector, which all others must have, too."""

    def __init__(self, service: HTTPService, model: str, dimension: int) -> None:
        self._service = service
        self._model = model
        self._known = HTTPEmbedder(service, model, dimension, shorten=True) if dimension else None

    @property
    def name(self) -> str:
        return self._service.name

    @property
    def dimension(self) -> int:
        """0 before the first answer."""
        return self._known.dimension if self._known else 0

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[Vector]:
        if self._known is None:
            self._known = await HTTPEmbedder.start(self._service, self._model, deadline=deadline)
        return await self._known.embed(texts, deadline=deadline)

    async def aclose(self) -> None:
        """The service has an owner of its own."""
