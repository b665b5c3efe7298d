"""Classifiers behind `POST {url}/classify`, in two dialects.

labels: {"inputs": text} -> [{"label", "score"}, ...], one call per text, as the original's contract has
it. vllm: {"model", "input": [texts]} -> {"data": [{"index", "probs"}]}, probabilities in label order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from vsr.encoder.remote.answers import distribution
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Nonsense

Dialect = Literal["labels", "vllm"]


class HTTPClassifier:
    """A `TextClassifier`."""

    def __init__(
        self, service: HTTPService, labels: Sequence[str], *, dialect: Dialect = "labels", model: str = ""
    ) -> None:
        self._service = service
        self._labels = tuple(labels)
        self._dialect = dialect
        self._model = model

    @property
    def name(self) -> str:
        return self._service.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    async def classify(self, texts: Sequence[str], *, deadline: float | None) -> list[Mapping[str, float]]:
        if not texts:
            return []
        if self._dialect == "labels":
            return await self._service.guarded.each(texts, lambda text: self._one(text, deadline))
        body = {"model": self._model, "input": list(texts)}
        return await self._service.post(
            "classify", body, lambda answer: self._of_vllm(answer, len(texts)), deadline
        )

    async def aclose(self) -> None:
        await self._service.aclose()

    async def _one(self, text: str, deadline: float | None) -> Mapping[str, float]:
        return await self._service.post("classify", {"inputs": text}, self._of_labels, deadline)

    def _of_labels(self, answer: Any) -> Mapping[str, float]:
        # some servers answer one text as a batch of one
        rows = answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], list) else answer
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Nonsense('its answer is no list of {"label", "score"}')
        return distribution({str(row.get("label")): row.get("score") for row in rows}, self._labels)

    def _of_vllm(self, answer: Any, count: int) -> list[Mapping[str, float]]:
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or len(rows) != count:
            raise Nonsense(f"its answer has no data for {count} texts")
        found: dict[int, Mapping[str, float]] = {}
        for place, row in enumerate(rows):
            scores = row.get("probs") if isinstance(row, dict) else None
            if not isinstance(scores, list) or len(scores) != len(self._labels):
                raise Nonsense(f"its answer has no probabilities of {len(self._labels)} labels")
            index = row.get("index", place)
            found[index] = distribution(dict(zip(self._labels, scores, strict=True)), self._labels)
        if set(found) != set(range(count)):
            raise Nonsense("its answer does not number the texts")
        return [found[index] for index in range(count)]
