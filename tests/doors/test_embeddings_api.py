"""/api/v1/embeddings and /api/v1/similarity, by vectors that the words of a text give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from tests.doors.managing import Api, management
from tests.scripted import BundleWithManifest, ScriptedEncoder, make_policy
from tests.signals.asking import TopicEmbedder, vector
from vsr.config.policy import Limits, Management, Policy
from vsr.encoder.classifiers import Embedder
from vsr.encoder.failures import EncoderFailed
from vsr.errors import Overloaded
from vsr.signals.engine import SignalEngine

EMBEDDINGS = "/api/v1/embeddings"
SIMILARITY = "/api/v1/similarity"
NEAREST = "/api/v1/similarity/batch"


def embedding_by(
    embedder: Embedder | None, policy: Policy | None = None, encoder: ScriptedEncoder | None = None
) -> AbstractAsyncContextManager[Api]:
    policy = policy or make_policy()
    return management(policy, encoder, SignalEngine(policy, embedder=embedder))


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with embedding_by(TopicEmbedder()) as api:
        yield api


async def test_texts_come_back_in_order_with_the_vectors_that_signals_compare(api: Api) -> None:
    reply = (await api.post(EMBEDDINGS, texts=["a cat", "两只 狗"])).json
    assert [one["text"] for one in reply["embeddings"]] == ["a cat", "两只 狗"]
    for one in reply["embeddings"]:
        assert one["embedding"] == pytest.approx(vector(one["text"]).tolist())
        assert (one["dimension"], one["model_used"]) == (256, "topics")
    assert reply["total_count"] == 2
    assert reply["total_processing_time_ms"] >= reply["avg_processing_time_ms"] >= 0


async def test_a_similarity_is_the_cosine_of_two_texts(api: Api) -> None:
    reply = (await api.post(SIMILARITY, text1="a small cat", text2="a small dog")).json
    assert reply["similarity"] == pytest.approx(float(vector("a small cat") @ vector("a small dog")))
    assert reply["model_used"] == "topics"


async def test_candidates_come_nearest_first_with_their_places(api: Api) -> None:
    candidates = ["stocks fell", "a small dog", "a small cat"]
    reply = (await api.post(NEAREST, query="a small cat", candidates=candidates)).json
    assert [(one["index"], one["text"]) for one in reply["matches"]] == [
        (2, "a small cat"),
        (1, "a small dog"),
        (0, "stocks fell"),
    ]
    assert reply["matches"][0]["similarity"] == pytest.approx(1.0)
    assert reply["total_candidates"] == 3


@pytest.mark.parametrize(("top", "given"), [(0, 3), (1, 1), (2, 2), (9, 3)])
async def test_top_k_bounds_the_matches(api: Api, top: int, given: int) -> None:
    reply = (await api.post(NEAREST, query="a", candidates=["a", "b", "c"], top_k=top)).json
    assert len(reply["matches"]) == given
    assert reply["total_candidates"] == 3


async def test_the_model_is_told_and_may_be_named(api: Api) -> None:
    (model,) = (await api.get(EMBEDDINGS + "/models")).json["models"]
    assert model == {"name": "topics", "type": "embedding", "loaded": True, "dimension": 256}
    reply = await api.post(EMBEDDINGS, texts=["a"], model="topics", dimension=256)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        (EMBEDDINGS, {}, "INVALID_INPUT", "texts"),
        (EMBEDDINGS, {"texts": []}, "INVALID_INPUT", "texts"),
        (EMBEDDINGS, {"texts": ["a", 7]}, "INVALID_INPUT", "texts[1]"),
        (EMBEDDINGS, {"texts": ["a"] * 101}, "INVALID_INPUT", "texts"),
        (EMBEDDINGS, {"texts": ["a"], "model": "qwen3"}, "INVALID_MODEL", "model"),
        (EMBEDDINGS, {"texts": ["a"], "model": ["auto"]}, "INVALID_MODEL", "model"),
        (EMBEDDINGS, {"texts": ["a"], "dimension": 64}, "INVALID_DIMENSION", "dimension"),
        (EMBEDDINGS, {"texts": ["a"], "dimension": "256"}, "INVALID_DIMENSION", "dimension"),
        (EMBEDDINGS, {"texts": ["a"], "images": ["data:image/png;base64,"]}, "INVALID_INPUT", "images"),
        (EMBEDDINGS, {"texts": ["a"], "target_layer": 3}, "INVALID_INPUT", "target_layer"),
        (SIMILARITY, {"text1": "a"}, "INVALID_INPUT", "text2"),
        (SIMILARITY, {"text1": " ", "text2": "a"}, "INVALID_INPUT", "text1"),
        (NEAREST, {"candidates": ["a"]}, "INVALID_INPUT", "query"),
        (NEAREST, {"query": "a"}, "INVALID_INPUT", "candidates"),
        (NEAREST, {"query": "a", "candidates": ["a"], "top_k": -1}, "INVALID_INPUT", "top_k"),
        (NEAREST, {"query": "a", "candidates": ["a"], "top_k": True}, "INVALID_INPUT", "top_k"),
        (NEAREST, {"query": "a", "candidates": ["a"], "top_k": "3"}, "INVALID_INPUT", "top_k"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_the_field(
    api: Api, path: str, body: dict[str, Any], code: str, param: str
) -> None:
    reply = await api.post(path, **body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, param)


async def test_more_texts_than_a_batch_may_hold_are_refused() -> None:
    policy = replace(make_policy(), management=Management(max_batch_size=2))
    async with embedding_by(TopicEmbedder(), policy) as api:
        assert (await api.post(NEAREST, query="a", candidates=["b", "c"])).status == 200
        assert (await api.post(NEAREST, query="a", candidates=["b", "c", "d"])).status == 400


async def test_texts_that_are_longer_than_a_prompt_may_be_are_not_read() -> None:
    policy = replace(make_policy(), limits=Limits(max_prompt_tokens=50))
    embedder = TopicEmbedder()
    async with embedding_by(embedder, policy) as api:
        reply = await api.post(SIMILARITY, text1="word " * 40, text2="word " * 40)
    assert reply.status == 413
    assert embedder.asked == []


async def test_a_model_that_fails_is_unavailable_and_its_error_holds_no_text() -> None:
    async with embedding_by(TopicEmbedder(EncoderFailed("it broke on secret"))) as api:
        reply = await api.post(EMBEDDINGS, texts=["secret"])
    assert (reply.status, reply.error["code"]) == (503, "UNIFIED_CLASSIFIER_UNAVAILABLE")
    assert "secret" not in reply.error["message"]


async def test_a_full_queue_says_so() -> None:
    async with embedding_by(
        None, encoder=ScriptedEncoder(error=Overloaded("full", retry_after=1), bundle=BundleWithManifest())
    ) as api:
        reply = await api.post(EMBEDDINGS, texts=["a"])
    assert reply.status == 503
    assert reply.headers["retry-after"]


async def test_without_a_configured_model_the_bundle_is_it() -> None:
    bundle = BundleWithManifest()
    encoder = ScriptedEncoder(bundle=bundle)
    async with embedding_by(None, encoder=encoder) as api:
        (model,) = (await api.get(EMBEDDINGS + "/models")).json["models"]
        reply = (await api.post(SIMILARITY, text1="a", text2="b")).json
    assert encoder.calls == 2
    assert reply["model_used"] == model["name"] == bundle.manifest.name
    assert model["dimension"] == bundle.manifest.heads.embedding.dimension
