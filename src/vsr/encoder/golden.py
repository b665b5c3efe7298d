"""Does this processor answer as the one that built the bundle did? Int8 results differ between CPUs.

The golden texts are read once alone and once together, since a backend may treat the two differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vsr.encoder.backend import Backend, Floats
from vsr.encoder.batcher import pad
from vsr.encoder.heads import HeadReader
from vsr.encoder.manifest import Golden, Manifest, Tolerance
from vsr.encoder.schedule import SPECIALS
from vsr.encoder.tokens import Ints, TextTokenizer
from vsr.errors import BundleError


@dataclass(frozen=True, slots=True)
class Observation:
    """Calibrated outputs for one text: probabilities of the classes, P(jailbreak), the unit vector, and
    the probabilities of the tags per content token; asks: of the further heads' labels."""

    domain: Floats
    risk: float
    embedding: Floats
    tags: Floats
    asks: Mapping[str, Floats] = field(default_factory=dict)


def check_golden(manifest: Manifest, tokenizer: TextTokenizer, backend: Backend) -> None:
    """Raises BundleError, naming the first output that is out of tolerance."""
    reader = HeadReader(manifest.heads)
    windows = [tokenizer.encode(golden.text).ids for golden in manifest.golden]
    for number, window in enumerate(windows, 1):
        if len(window) > manifest.windows.tokens:
            raise BundleError(
                f"bundle {manifest.name}: golden text {number} has {len(window)} tokens, a window "
                f"{manifest.windows.tokens}"
            )
    alone = [observe([window], tokenizer, backend, reader)[0] for window in windows]
    together = _in_batches(windows, tokenizer, backend, reader, manifest.windows.tokens + SPECIALS)
    for observations in (alone, together):
        for number, (golden, found) in enumerate(zip(manifest.golden, observations, strict=True), 1):
            problem = _difference(golden, found, manifest.heads.pii.labels, manifest.golden_tolerance)
            if problem:
                raise BundleError(
                    f"bundle {manifest.name}: golden text {number}: {problem}; this processor or engine "
                    "computes the graph differently from the one it was calibrated on"
                )


def observe(
    windows: Sequence[Ints], tokenizer: TextTokenizer, backend: Backend, reader: HeadReader, width: int = 0
) -> list[Observation]:
    """One batch of all windows, as many as the backend takes, at least so wide."""
    ids, mask = pad(windows, max(width, max(map(len, windows)) + SPECIALS), tokenizer)
    outputs = backend.infer(ids, mask)
    domains, risks, tags = reader.domains(outputs), reader.risks(outputs), reader.tags(outputs)
    asks = reader.asks(outputs)
    return [
        Observation(
            domains[row],
            float(risks[row]),
            outputs.embedding[row].copy(),
            tags[row, 1 : len(window) + 1],
            {name: probabilities[row] for name, probabilities in asks.items()},
        )
        for row, window in enumerate(windows)
    ]


def _in_batches(
    windows: Sequence[Ints], tokenizer: TextTokenizer, backend: Backend, reader: HeadReader, width: int
) -> list[Observation]:
    """In the largest batches there are for full windows; the last one is filled up."""
    rows = backend.sizes(width)[-1]
    found: list[Observation] = []
    for start in range(0, len(windows), rows):
        batch = [*windows[start:], *[windows[0]] * rows][:rows]
        found += observe(batch, tokenizer, backend, reader, width)
    return found[: len(windows)]


def _difference(golden: Golden, found: Observation, labels: Sequence[str], allowed: Tolerance) -> str:
    for name, expected in {"domain": golden.domain, **golden.asks}.items():
        problem = _class_difference(name, expected, found, allowed.probability)
        if problem:
            return problem
    off = abs(found.risk - golden.jailbreak)
    # not a number is not within tolerance, here and below
    if not off <= allowed.probability:
        return f"the jailbreak probability is off by {off:.3f}, allowed is {allowed.probability}"
    cosine = _cosine(found.embedding, golden.embedding)
    if not cosine >= allowed.embedding_cosine:
        return f"the embedding's cosine is {cosine:.3f}, at least {allowed.embedding_cosine} is demanded"
    return _tag_difference(golden, found.tags, labels, allowed.probability)


def _class_difference(name: str, expected: Sequence[float], found: Observation, allowed: float) -> str:
    classes = found.domain if name == "domain" else found.asks.get(name)
    if classes is None or len(classes) != len(expected):
        return f"{name} has {0 if classes is None else len(classes)} classes, expected {len(expected)}"
    off = float(np.abs(classes - np.array(expected, dtype=np.float32)).max())
    return "" if off <= allowed else f"a {name} probability is off by {off:.3f}, allowed is {allowed}"


def _tag_difference(golden: Golden, tags: Floats, labels: Sequence[str], allowed: float) -> str:
    """A tag may differ from the golden one only if both are about equally likely."""
    if len(golden.pii) != len(tags):
        return f"{len(tags)} tokens, expected {len(golden.pii)}"
    for place, (tag, row) in enumerate(zip(golden.pii, tags, strict=True), 1):
        off = float(row.max() - row[labels.index(tag)]) if tag in labels else 1.0
        if not off <= allowed:
            return f"token {place} is not {tag} by a probability of {off:.3f}, allowed is {allowed}"
    return ""


def _cosine(found: Floats, expected: Sequence[float]) -> float:
    other = np.array(expected, dtype=np.float32)
    if found.shape != other.shape:
        return 0.0
    return float(found @ other / (np.linalg.norm(found) * np.linalg.norm(other)))
