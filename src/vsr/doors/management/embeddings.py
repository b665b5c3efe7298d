"""/api/v1/embeddings and /api/v1/similarity: the vectors that signals compare, in the original's shapes.

They are those of the configured embedder, else of the bundle's own head; all are unit vectors, so a
similarity is a cosine. There is one embedder at a time and it has one dimension: asking for another model
or dimension is an error, since an answer in another space would be no answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vsr.content import Content
from vsr.doors.management.judging import CLASSIFIER_UNAVAILABLE, invalid, text_of, texts_of
from vsr.encoder.classifiers import Embedder
from vsr.errors import RequestError, TooLarge, Unavailable, VSRError
from vsr.facts import Passage
from vsr.generation import Generation
from vsr.router import time_to_read
from vsr.signals.context import estimate_tokens
from vsr.signals.prototypes import Vector
from vsr.signals.vectors import BundleEmbedder

Body = Mapping[str, Any]
Result = dict[str, Any]


async def embeddings(generation: Generation, body: Body) -> Result:
    texts = texts_of(body, "texts", generation.policy.management.max_batch_size)
    started = time.perf_counter()
    vectors, model = await _embed(generation, body, texts)
    milliseconds = _milliseconds(started)
    each = round(milliseconds / len(texts), 3)
    return {
        "embeddings": [
            {
                "text": text,
                "embedding": vector.tolist(),
                "dimension": len(vector),
                "model_used": model,
                "processing_time_ms": each,
            }
            for text, vector in zip(texts, vectors, strict=True)
        ],
        "total_count": len(texts),
        "total_processing_time_ms": milliseconds,
        "avg_processing_time_ms": each,
    }


async def similarity(generation: Generation, body: Body) -> Result:
    texts = [text_of(body, "text1"), text_of(body, "text2")]
    started = time.perf_counter()
    (one, other), model = await _embed(generation, body, texts)
    return {
        "model_used": model,
        "similarity": float(one @ other),
        "processing_time_ms": _milliseconds(started),
    }


async def similarity_batch(generation: Generation, body: Body) -> Result:
    """The candidates nearest to the query, nearest first; `top_k` 0 or none for all."""
    query = text_of(body, "query")
    candidates = texts_of(body, "candidates", generation.policy.management.max_batch_size)
    top = body.get("top_k", 0)
    if not isinstance(top, int) or isinstance(top, bool) or top < 0:
        raise invalid("top_k must be a whole number from 0", "top_k")
    started = time.perf_counter()
    (asked, *vectors), model = await _embed(generation, body, [query, *candidates])
    nearness = np.stack(vectors) @ asked
    nearest = np.argsort(-nearness, kind="stable")[: top or len(candidates)]
    return {
        "matches": [
            {"index": int(place), "similarity": float(nearness[place]), "text": candidates[place]}
            for place in nearest
        ],
        "total_candidates": len(candidates),
        "model_used": model,
        "processing_time_ms": _milliseconds(started),
    }


def models(generation: Generation) -> Result:
    """dimension 0: that of a remote model which has not answered yet."""
    embedder = _embedder(generation)
    return {
        "models": [
            {
                "name": _name(generation, embedder),
                "type": "embedding",
                "loaded": generation.ready,
                "dimension": embedder.dimension,
            }
        ]
    }


async def _embed(generation: Generation, body: Body, texts: Sequence[str]) -> tuple[list[Vector], str]:
    """The vectors and the name of what made them, in the time that judging texts of this length has."""
    embedder = _embedder(generation)
    model = _name(generation, embedder)
    if body.get("model", "auto") not in ("auto", "", model):
        raise invalid(f"model must be auto or {model}", "model", "INVALID_MODEL")
    if body.get("images"):
        raise invalid("images cannot be read: the encoder reads text", "images")
    if body.get("target_layer"):
        raise invalid("target_layer cannot be chosen: the encoder has no early exit", "target_layer")
    wanted = body.get("dimension") or embedder.dimension
    if embedder.dimension and wanted != embedder.dimension:
        raise invalid(f"dimension must be {embedder.dimension}", "dimension", "INVALID_DIMENSION")
    estimate = estimate_tokens([Passage("user", Content(text), ()) for text in texts])
    most = generation.policy.limits.max_prompt_tokens
    if estimate > most:
        raise TooLarge(f"The texts have about {estimate} tokens; this router reads at most {most} at once.")
    deadline = asyncio.get_running_loop().time() + time_to_read(generation.policy, estimate)
    try:
        vectors = await embedder.embed(texts, deadline=deadline)
    except RequestError:
        raise
    except VSRError as error:
        raise Unavailable(
            f"The texts could not be embedded: {type(error).__name__}.",
            code=CLASSIFIER_UNAVAILABLE,
            retry_after=1,
        ) from error
    return vectors, model


def _embedder(generation: Generation) -> Embedder:
    configured = generation.signals.embedder if generation.signals else None
    return configured or BundleEmbedder(generation.encoder)


def _name(generation: Generation, embedder: Embedder) -> str:
    own = isinstance(embedder, BundleEmbedder)
    return generation.encoder.bundle.manifest.name if own else embedder.name


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
