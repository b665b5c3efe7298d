"""Remote classifiers, scorers and embeddings, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from tests.encoder.remote.service import Answer, Service, serving
from vsr.encoder.classifiers import Embedder, TextClassifier
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.remote.chat import ChatScorer, Parser, parse
from vsr.encoder.remote.classify import HTTPClassifier
from vsr.encoder.remote.embeddings import HTTPEmbedder
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Limits, Nonsense

LABELS = ("safe", "unsafe")


@asynccontextmanager
async def calling(answer: Answer, **limits: Any) -> AsyncIterator[tuple[Service, HTTPService]]:
    async with serving(answer) as service:
        client = HTTPService("guard", service.url, key="k", limits=Limits(**limits))
        try:
            yield service, client
        finally:
            await client.aclose()


async def test_a_classifier_is_sent_each_text_and_its_labels_are_ordered() -> None:
    rows = [{"label": "unsafe", "score": 0.7}, {"label": "safe", "score": 0.31}]
    async with calling(lambda _: rows) as (service, client):
        classifier: TextClassifier = HTTPClassifier(client, LABELS)
        first, second = await classifier.classify(["one", "two"], deadline=None)
    assert list(first) == ["safe", "unsafe"]
    assert sum(second.values()) == pytest.approx(1.0)
    assert sorted(body["inputs"] for _, body, _ in service.seen) == ["one", "two"]
    assert {(path, key) for path, _, key in service.seen} == {("/v1/classify", "Bearer k")}


async def test_vllm_answers_a_list_of_texts_in_any_order() -> None:
    data = [{"index": 1, "probs": [0.2, 0.8]}, {"index": 0, "probs": [0.9, 0.1]}]
    async with calling(lambda _: {"data": data}) as (service, client):
        classifier = HTTPClassifier(client, LABELS, dialect="vllm", model="m")
        first, second = await classifier.classify(["one", "two"], deadline=None)
    assert (first["safe"], second["unsafe"]) == pytest.approx((0.9, 0.8))
    assert service.seen[0][1] == {"model": "m", "input": ["one", "two"]}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([{"label": "safe", "score": 1.0}], "does not name exactly the 2 labels"),
        ([{"label": "safe", "score": 0.5}, {"label": "unsafe", "score": 0.3}], "sum up to 0.800"),
        ([{"label": "safe", "score": 2.0}, {"label": "unsafe", "score": -1.0}], "not a number from 0 to 1"),
        ([{"label": "safe", "score": "high"}, {"label": "unsafe", "score": 0.0}], "not a number from 0 to 1"),
        ({"error": "secret"}, "is no list"),
    ],
)
async def test_labels_and_scores_are_checked(answer: object, complaint: str) -> None:
    async with calling(lambda _: answer) as (_, client):
        with pytest.raises(EncoderFailed, match=complaint) as caught:
            await HTTPClassifier(client, LABELS).classify(["text"], deadline=None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "complaint"),
    [
        (lambda: web.Response(status=500, text="secret"), "status 500"),
        (lambda: web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}), "status 302"),
        (lambda: web.Response(text="<html>secret"), "not JSON"),
        (lambda: web.Response(text="[" + "1," * 2000 + "1]"), "longer than 1000 bytes"),
    ],
)
async def test_what_is_no_answer_is_told_without_its_content(response: Any, complaint: str) -> None:
    async with calling(lambda _: response(), answer_bytes=1000) as (_, client):
        with pytest.raises(EncoderFailed, match=complaint) as caught:
            await HTTPClassifier(client, LABELS).classify(["text"], deadline=None)
    assert "secret" not in str(caught.value)


def chat(said: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": said}}]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=400),
        lambda: web.Response(status=413),
        lambda: chat("banana"),
        lambda: chat('{"unsafe": 1' + "0" * 400 + ', "safe": 0.5}'),
    ],
)
async def test_what_one_text_can_cause_does_not_take_the_service_away_from_others(answer: Any) -> None:
    def answered(body: dict[str, Any]) -> Any:
        return answer() if body["messages"][-1]["content"] == "odd" else chat("safe")

    async with calling(answered, failures=1) as (_, client):
        scorer = ChatScorer(client, LABELS, model="m")
        with pytest.raises(EncoderFailed):
            await scorer.classify(["odd"], deadline=None)
        (scores,) = await scorer.classify(["plain"], deadline=None)
    assert scores["safe"] > scores["unsafe"]


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500])
async def test_a_status_of_the_services_own_trouble_is_a_failure(status: int) -> None:
    async with calling(lambda _: web.Response(status=status), failures=1) as (_, client):
        for complaint in (f"status {status}", "left alone"):
            with pytest.raises(EncoderFailed, match=complaint):
                await HTTPClassifier(client, LABELS).classify(["text"], deadline=None)


async def test_a_server_that_hangs_does_not_hold_the_request() -> None:
    async def never(_: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async with calling(never, timeout=0.05) as (_, client):
        with pytest.raises(EncoderTimeout):
            await HTTPClassifier(client, LABELS).classify(["text"], deadline=None)


async def test_a_server_that_is_away_is_a_failure() -> None:
    client = HTTPService("guard", "http://127.0.0.1:9")
    with pytest.raises(EncoderFailed, match="guard failed: Client"):
        await HTTPClassifier(client, LABELS).classify(["text"], deadline=None)
    await client.aclose()


async def test_a_chat_model_is_told_the_labels_and_its_scores_are_normalised() -> None:
    def answer(_: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{"message": {"content": '<think>hm</think>{"easy": 0.2, "hard": 0.6}'}}]}

    async with calling(answer) as (service, client):
        scorer: TextClassifier = ChatScorer(client, ("easy", "hard"), model="m", instructions="Rate it.")
        (scores,) = await scorer.classify(["prove it"], deadline=None)
    assert scores == pytest.approx({"easy": 0.25, "hard": 0.75})
    path, body, _ = service.seen[0]
    assert path == "/v1/chat/completions"
    assert body["messages"][1] == {"role": "user", "content": "prove it"}
    assert "easy, hard" in body["messages"][0]["content"]


@pytest.mark.parametrize(
    ("said", "parser", "unsafe"),
    [
        ("Safety: Unsafe\nCategories: Violent", "qwen3guard", 0.95),
        ("Safety: Safe\nCategories: None", "auto", 0.05),
        ('{"label": "unsafe", "confidence": 0.8}', "json", 0.8),
        ('Here: {"unsafe": 0.9, "safe": 0.1}', "auto", 0.9),
        ('{"unsafe": 1}', "auto", 1.0),
        ("Unsafe.", "simple", 0.95),
    ],
)
def test_ways_in_which_chat_models_answer(said: str, parser: Parser, unsafe: float) -> None:
    assert parse(said, LABELS, parser)["unsafe"] == pytest.approx(unsafe)


@pytest.mark.parametrize("said", ["", "I cannot help", '{"other": 1}', '{"unsafe": "x"}', "{", "Safety: Odd"])
def test_an_answer_that_names_no_label_is_of_no_use(said: str) -> None:
    with pytest.raises(Nonsense):
        parse(said, LABELS, "auto")


async def test_embeddings_come_in_order_as_unit_vectors() -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        rows = [{"index": n, "embedding": [float(len(t)), 0.0]} for n, t in enumerate(body["input"])]
        return {"data": rows[::-1]}

    async with calling(answer) as (service, client):
        embedder: Embedder = await HTTPEmbedder.start(client, "m")
        assert embedder.dimension == 2
        vectors = await embedder.embed([str(n) for n in range(70)], deadline=None)
    assert len(vectors) == 70
    assert np.allclose(vectors, [1.0, 0.0])
    assert [len(body["input"]) for _, body, _ in service.seen] == [1, 64, 6]


@pytest.mark.parametrize("vector", [[1.0], [0.0, 0.0], ["a", "b"], None, [[1.0, 2.0]]])
async def test_vectors_of_no_use_are_refused(vector: object) -> None:
    async with calling(lambda _: {"data": [{"embedding": vector}]}) as (_, client):
        with pytest.raises(EncoderFailed, match="an embedding"):
            await HTTPEmbedder(client, "m", 2).embed(["text"], deadline=None)


def test_the_example_the_model_is_shown_is_json() -> None:
    scorer = ChatScorer(None, LABELS, model="m")  # type: ignore[arg-type]
    system = scorer._system
    assert json.loads(system[system.rindex("{") :]) == {"safe": 0.5, "unsafe": 0.5}
