"""A server that verifies answers by entailment (AutoMix, arXiv:2310.12963), as the original asks it.

`POST {url}/verify` with question, answer and threshold; of what it says only `confidence`, from 0 to 1, is
read: whether that is enough is decided here.
"""

from __future__ import annotations

from typing import Any

from vsr.config.policy import Verifier
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Limits, Nonsense


class Verification:
    def __init__(self, verifier: Verifier) -> None:
        limits = Limits(timeout=verifier.timeout, answer_bytes=verifier.answer_bytes)
        self._service = HTTPService("the verification server", verifier.url, limits=limits)

    async def confidence(self, question: str, answer: str, threshold: float) -> float:
        """Raises EncoderTimeout, EncoderFailed and Overloaded, whose messages hold nothing of either text."""
        body = {"question": question, "answer": answer, "threshold": threshold}
        return await self._service.post("verify", body, _confidence, None)

    async def aclose(self) -> None:
        await self._service.aclose()


def _confidence(said: Any) -> float:
    value = said.get("confidence") if isinstance(said, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise Nonsense("its answer has no confidence from 0 to 1")
    return float(value)
