"""What runs may ask besides models, one for a generation: verification servers, and vectors of texts.

Connections are made by the first who asks.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.config.policy import Verifier
from vsr.encoder.encoder import Encoder
from vsr.encoder.failures import EncoderFailed
from vsr.loopers.verification import Verification
from vsr.signals.prototypes import Vector
from vsr.signals.vectors import BundleEmbedder


class Aids:
    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder
        self._verifications: dict[Verifier, Verification] = {}

    def verification(self, verifier: Verifier) -> Verification:
        """One for all decisions that name the same server in the same way."""
        found = self._verifications.get(verifier)
        if found is None:
            found = self._verifications[verifier] = Verification(verifier)
        return found

    async def vectors(self, texts: Sequence[str], *, deadline: float) -> list[Vector]:
        """By the bundle's own encoder. Raises EncoderFailed, EncoderTimeout, Overloaded."""
        if self._encoder is None:
            raise EncoderFailed("no encoder is loaded")
        return await BundleEmbedder(self._encoder).embed(texts, deadline=deadline)

    async def aclose(self) -> None:
        for one in self._verifications.values():
            await one.aclose()
