"""The vectors of all examples of a generation, by recipe.

They are made at the start. Where a remote embedder does not answer then, the first request that finds
it back makes them; until then the rules that compare carry an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from vsr.config.policy import Policy
from vsr.encoder.classifiers import Embedder
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.errors import Overloaded, VSRError
from vsr.signals.banks import NO_BANKS, Banks, load_banks
from vsr.signals.prototypes import Vector

logger = logging.getLogger(__name__)


class Examples:
    """Without an embedder there are none. known: vectors by text that the same embedder made before."""

    def __init__(
        self,
        policies: Sequence[Policy] = (),
        embedder: Embedder | None = None,
        known: Mapping[str, Vector] | None = None,
    ) -> None:
        self._policies = policies
        self._embedder = embedder
        self._known = known or {}
        self._banks: dict[str, Banks] = {}
        self._missing = False
        self._loading: asyncio.Task[None] | None = None

    async def load(self, *, patient: bool) -> None:
        """Raises ConfigError if a knowledge base cannot be read and, unless patient, what the embedder
        raises."""
        try:
            await self._load()
        except (EncoderFailed, EncoderTimeout, Overloaded) as error:
            if not patient:
                raise
            self._missing = True
            logger.warning("the examples of signals are not loaded yet: %s", error)

    @property
    def vectors(self) -> Mapping[str, Vector]:
        """By text; while some are missing, those that were known before."""
        own = {text: vector for banks in self._banks.values() for text, vector in banks.vectors.items()}
        return {**self._known, **own}

    def of(self, recipe: str) -> Banks:
        return self._banks.get(recipe, NO_BANKS)

    async def make_up(self, deadline: float | None) -> None:
        """Load what is missing, now that the embedder answers, and wait for it as long as there is time.
        One attempt serves all who wait."""
        if not self._missing:
            return
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._retry())
        left = None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait([self._loading], timeout=left)

    async def aclose(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)

    async def _retry(self) -> None:
        try:
            await self._load()
        except VSRError as error:
            logger.warning("the examples of signals are not loaded yet: %s", type(error).__name__)
        else:
            self._missing = False
            logger.info("the examples of signals are loaded")

    async def _load(self) -> None:
        assert self._embedder is not None, "loaded only where there is one"
        for one in self._policies:
            self._banks[one.recipe] = await load_banks(one.signals, self._embedder, self.vectors)
        self._known = {}
