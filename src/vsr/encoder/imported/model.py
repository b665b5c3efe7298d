"""Imported models in the seats of `vsr.encoder.classifiers`: texts in, labels, spans or vectors out.

Long texts are read in overlapping windows. A guard hears its worst window, PII is found in all of
them; other labels and vectors come from the first two and the last, as the bundle's domain does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.encoder.backend import Floats
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.heads import softmax
from vsr.encoder.imported.folder import ImportedFolder, load_folder
from vsr.encoder.imported.golden import check_golden
from vsr.encoder.imported.graph import ImportedGraph
from vsr.encoder.imported.tags import TagReader
from vsr.encoder.imported.turns import Turns
from vsr.encoder.schedule import SPECIALS
from vsr.encoder.spans import Span, find_spans, join_types
from vsr.encoder.tokens import Tokens
from vsr.encoder.windows import Window, cover, domain_windows, seams

LONG_CHARACTERS = 4_000
"""Longer texts are tokenised in a thread."""
BASE_SECONDS = 5.0
TOKENS_PER_SECOND = 500
"""Without a deadline a call gets BASE_SECONDS and its tokens at this very slow rate."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One text: its tokens, its windows that were read, and what the graph said of each."""

    tokens: Tokens
    windows: tuple[Window, ...]
    answers: tuple[Floats, ...]

    @property
    def weights(self) -> Floats:
        """Of the windows, by their tokens; an empty text has one empty window."""
        sizes = np.array([max(1, window.end - window.start) for window in self.windows], dtype=np.float32)
        shares: Floats = sizes / sizes.sum()
        return shares


class ImportedModel:
    """What all kinds share. Made by `start`, inside the event loop that will call it."""

    def __init__(self, folder: ImportedFolder, graph: ImportedGraph) -> None:
        self.folder = folder
        self.name = folder.manifest.name
        self._graph = graph
        self._turns = Turns(self.name, graph.run)

    async def aclose(self) -> None:
        """Calls that wait get EncoderFailed."""
        await self._turns.aclose()

    async def _read(self, texts: Sequence[str], deadline: float | None, *, whole: bool) -> list[_Read]:
        """Every text, all of its windows or the bounded part of them."""
        async with self._limited(deadline) as timeout:
            tokens = [await self._encoded(text) for text in texts]
            if deadline is None:
                seconds = BASE_SECONDS + sum(map(len, tokens)) / TOKENS_PER_SECOND
                timeout.reschedule(asyncio.get_running_loop().time() + seconds)
            plans = [self._windows(number, part, whole) for number, part in enumerate(tokens)]
            answers = await self._turns.read([window.ids for plan in plans for window in plan])
        if not all(np.isfinite(answer).all() for answer in answers):
            # a risk that is not a number is over no threshold, and would pass for harmless
            raise EncoderFailed(f"model {self.name} failed: its answer is not finite")
        reads, start = [], 0
        for part, plan in zip(tokens, plans, strict=True):
            reads.append(_Read(part, plan, tuple(answers[start : start + len(plan)])))
            start += len(plan)
        return reads

    async def _encoded(self, text: str) -> Tokens:
        tokenizer = self._graph.tokenizer
        if len(text) > LONG_CHARACTERS:
            return await asyncio.to_thread(tokenizer.encode, text)
        return tokenizer.encode(text)

    def _windows(self, number: int, tokens: Tokens, whole: bool) -> tuple[Window, ...]:
        ranges = cover(len(tokens), self.folder.manifest.windows) or [(0, 0)]
        numbers = range(len(ranges)) if whole else domain_windows(range(len(ranges)))
        return tuple(Window(number, *ranges[i], tokens.ids[slice(*ranges[i])]) for i in numbers)

    @asynccontextmanager
    async def _limited(self, deadline: float | None) -> AsyncIterator[asyncio.Timeout]:
        try:
            async with asyncio.timeout_at(deadline) as timeout:
                yield timeout
        except TimeoutError:
            raise EncoderTimeout(f"model {self.name} did not finish before the deadline") from None


class ImportedClassifier(ImportedModel):
    """A `TextClassifier`. `positive` are the labels that mean risk, of a jailbreak model."""

    @property
    def labels(self) -> tuple[str, ...]:
        return self.folder.manifest.labels

    @property
    def positive(self) -> tuple[str, ...]:
        return self.folder.manifest.positive

    async def classify(self, texts: Sequence[str], *, deadline: float | None) -> list[Mapping[str, float]]:
        reads = await self._read(texts, deadline, whole=bool(self.positive))
        return [self._answer(read) for read in reads]

    def _answer(self, read: _Read) -> Mapping[str, float]:
        rows = softmax(np.stack(read.answers), 1.0)
        if self.positive:
            risks = rows[:, [self.labels.index(label) for label in self.positive]].sum(axis=1)
            chosen = rows[int(risks.argmax())]
        else:
            chosen = read.weights @ rows
        return dict(zip(self.labels, chosen.tolist(), strict=True))


class ImportedEmbedder(ImportedModel):
    """An `Embedder`."""

    @property
    def dimension(self) -> int:
        return self.folder.manifest.dimension

    async def embed(self, texts: Sequence[str], *, deadline: float | None) -> list[NDArray[np.float32]]:
        reads = await self._read(texts, deadline, whole=False)
        means = [read.weights @ np.stack(read.answers) for read in reads]
        return [(mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32) for mean in means]


class ImportedSpanFinder(ImportedModel):
    """A `SpanFinder`."""

    def __init__(self, folder: ImportedFolder, graph: ImportedGraph) -> None:
        super().__init__(folder, graph)
        self._reader = TagReader(folder.manifest.labels)

    @property
    def types(self) -> tuple[str, ...]:
        return self._reader.types

    async def find(self, texts: Sequence[str], *, deadline: float | None) -> list[list[Span]]:
        reads = await self._read(texts, deadline, whole=True)
        return [self._spans(text, read) for text, read in zip(texts, reads, strict=True)]

    def _spans(self, text: str, read: _Read) -> list[Span]:
        if not len(read.tokens):
            return []
        parts = []
        edges = seams(read.windows)
        for window, answer, start, end in zip(read.windows, read.answers, edges, edges[1:], strict=False):
            parts.append(self._reader.read(answer).part(start - window.start, end - window.start))
        return find_spans(text, read.tokens, join_types(parts), self.types, {})


async def start(path: Path, *, threads: int | None = None) -> ImportedModel:
    """The model in a directory, verified, compiled and compared with its golden outputs: an
    ImportedClassifier, ImportedEmbedder or ImportedSpanFinder by its task. Raises BundleError."""
    folder, graph = await asyncio.to_thread(_ready, path, threads)
    return _CLASSES[folder.manifest.task](folder, graph)


_CLASSES = {"sequence": ImportedClassifier, "embedding": ImportedEmbedder, "token": ImportedSpanFinder}


def _ready(path: Path, threads: int | None) -> tuple[ImportedFolder, ImportedGraph]:
    folder = load_folder(path)
    return folder, ready_graph(folder, threads)


def ready_graph(folder: ImportedFolder, threads: int | None = None) -> ImportedGraph:
    """Compiled, and answering as it did where it was converted."""
    manifest = folder.manifest
    graph = ImportedGraph(folder.path, manifest.specials, manifest.windows.tokens + SPECIALS, threads)
    check_golden(manifest, graph)
    return graph
