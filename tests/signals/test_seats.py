"""Remote models of a configuration, from the file to the model that a request goes to, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.config.documents import policy
from tests.encoder.remote.service import Service, serving
from tests.scripted import ScriptedBundle, ScriptedEncoder
from tests.signals.asking import vector
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.encoder.manifest import Manifest
from vsr.errors import ConfigError
from vsr.exchange import Forward, RequestHead
from vsr.facts import Signal
from vsr.generation import Generation
from vsr.signals import seats as seats_room
from vsr.signals.seats import open_seats
from vsr.signals.shared import Shared
from vsr.telemetry import Metrics

Answer = Callable[[dict[str, Any]], Any]
NOWHERE = "http://127.0.0.1:9"
RISK = "{name: risk, type: %s, model: judge, labels: [SAFE, RISKY]%s}"
EXTERNAL = "{name: judge, model_role: %s, llm_model_name: m, llm_endpoint: {base_url: '%s'}%s}"
GREETING = "{name: hi, priority: 20, modelRefs: [{model: a}], rules: {type: keyword, name: hi}}"
RISKY = (
    "{name: risky, priority: 10, modelRefs: [{model: b}],"
    " rules: {type: classifier, name: risk, label: RISKY}}"
)


@dataclass
class ManifestBundle(ScriptedBundle):
    manifest: Manifest = field(default_factory=lambda: load_bundle(default_bundle_path()).manifest)


@asynccontextmanager
async def running(text: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Generation]:
    """A generation of this configuration, as a reload makes it."""
    first: Any = ScriptedEncoder(bundle=ManifestBundle())
    generation = await Generation(policy(), first, Metrics()).successor(policy(text, env))
    try:
        yield generation
    finally:
        await generation.aclose()


def classifying(
    url: str, kind: str = "sequence_classifier", rule: str = "", external: str = "", more: str = ""
) -> str:
    """Greetings go to a, risky requests to b; a remote model tells those."""
    signals = f"keywords: [{{name: hi, keywords: [hi]}}], classifiers: [{RISK % (kind, rule)}]"
    entry = EXTERNAL % ("classification", url, external)
    return (
        f"routing: {{signals: {{{signals}}}, decisions: [{GREETING}, {RISKY}]}}\n"
        f"global: {{model_catalog: {{external: [{entry}]}}{more}}}\n"
    )


async def asked(generation: Generation, text: str) -> tuple[str, Mapping[tuple[str, str], Signal]]:
    """The model that the request goes to, and its signals."""
    exchange = generation.exchange(RequestHead("POST", "/v1/chat/completions", ()), "test")
    try:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        assert exchange.on_request_headers() is None
        step = await exchange.on_request_body(json.dumps(body).encode())
        assert isinstance(step, Forward), step
        assert exchange.facts is not None
        return str(json.loads(step.body)["model"]), exchange.facts.signals
    finally:
        exchange.close()


def labels(body: dict[str, Any]) -> list[dict[str, Any]]:
    risk = 0.9 if "rm" in body["inputs"] else 0.1
    return [{"label": "RISKY", "score": risk}, {"label": "SAFE", "score": 1 - risk}]


def chat(content: str) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": content}}]}


def vectors(body: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"index": n, "embedding": vector(t).tolist()} for n, t in enumerate(body["input"])]}


async def test_a_classifier_over_http_decides_where_a_request_goes() -> None:
    async with serving(labels) as service, running(classifying(service.url)) as generation:
        model, signals = await asked(generation, "please rm it")
        assert (model, signals["classifier", "risk"].label) == ("b", "RISKY")
        model, _ = await asked(generation, "please keep it")
        assert model == "a"  # by default
    assert [body for _, body, _ in service.seen] == [{"inputs": "please rm it"}, {"inputs": "please keep it"}]
    assert service.seen[0][0] == "/v1/classify"


async def test_a_remote_model_is_not_called_when_no_decision_can_still_use_it() -> None:
    async with serving(labels) as service, running(classifying(service.url)) as generation:
        model, signals = await asked(generation, "hi, rm it")
        assert model == "a"
        assert ("classifier", "risk") not in signals
    assert service.seen == []


async def test_a_chat_model_scores_labels_with_the_instructions_and_the_key() -> None:
    given = classifying(
        "URL", "llm", ", instructions: RISKY deletes things", ", access_key: '${JUDGE_KEY}', max_tokens: 9"
    )
    async with (
        serving(lambda _: chat('{"RISKY": 0.8, "SAFE": 0.2}')) as service,
        running(given.replace("URL", service.url), {"JUDGE_KEY": "k-77"}) as generation,
    ):
        model, signals = await asked(generation, "delete it")
    assert model == "b"
    assert signals["classifier", "risk"].confidence == pytest.approx(0.8)
    path, body, authorization = service.seen[0]
    assert (path, authorization) == ("/v1/chat/completions", "Bearer k-77")
    assert (body["model"], body["max_tokens"]) == ("m", 9)
    assert "RISKY deletes things" in body["messages"][0]["content"]
    assert body["messages"][1] == {"role": "user", "content": "delete it"}
    assert "k-77" not in repr(generation.policy)


async def test_a_classifier_below_its_threshold_does_not_hold() -> None:
    given = classifying("URL", external=", threshold: 0.95")
    async with serving(labels) as service, running(given.replace("URL", service.url)) as generation:
        model, signals = await asked(generation, "rm")
    signal = signals["classifier", "risk"]
    assert (model, signal.matched, signal.threshold, signal.labels["RISKY"]) == ("a", False, 0.95, 0.9)


async def test_a_service_that_is_away_leaves_an_error_and_the_router_goes_on() -> None:
    async with running(classifying(NOWHERE)) as generation:
        model, signals = await asked(generation, "rm")
    assert (model, signals["classifier", "risk"].error) == ("a", "EncoderFailed")


@pytest.mark.parametrize(
    ("external", "more"),
    [(", llm_timeout_seconds: 50ms", ""), (", llm_timeout_seconds: 60s", ", timeouts: {judge: 50ms}")],
)
async def test_a_slow_service_is_waited_for_until_its_limit_or_the_deadline(external: str, more: str) -> None:
    async def never(body: dict[str, Any]) -> Any:
        await asyncio.Event().wait()

    given = classifying("URL", external=external, more=more)
    async with serving(never) as service, running(given.replace("URL", service.url)) as generation:
        model, signals = await asked(generation, "rm")
    assert (model, signals["classifier", "risk"].error) == ("a", "EncoderTimeout")


@pytest.mark.parametrize(
    "answer",
    [
        [{"label": "RISKY", "score": 1.0}],
        [{"label": "dangerous", "score": 0.9}, {"label": "SAFE", "score": 0.1}],
        {"error": "x"},
    ],
)
async def test_wrong_labels_are_an_error_of_the_signal(answer: object) -> None:
    async with serving(lambda _: answer) as service, running(classifying(service.url)) as generation:
        model, signals = await asked(generation, "rm")
    assert (model, signals["classifier", "risk"].error) == ("a", "EncoderFailed")


# ---------------------------------------------------------------- preferences


PREFERENCES = "preferences: [{name: code, description: programs}, {name: prose, examples: [a poem]}]"
CODING = "{name: code, modelRefs: [{model: b}], rules: {type: preference, name: code}}"


def preferring(url: str, external: str = "", module: str = "") -> str:
    entry = EXTERNAL % ("preference", url, external)
    return (
        f"routing: {{signals: {{{PREFERENCES}}}, decisions: [{CODING}]}}\n"
        f"global: {{model_catalog: {{external: [{entry}]{module}}}}}\n"
    )


async def test_a_model_names_the_preference_of_a_request_in_place_of_examples() -> None:
    async with serving(lambda _: chat("code")) as service, running(preferring(service.url)) as generation:
        model, signals = await asked(generation, "fix this")
    assert model == "b"
    assert signals["preference", "code"].matched
    assert not signals["preference", "prose"].matched
    told = service.seen[0][1]["messages"][0]["content"]
    assert "- code: programs" in told
    assert "- prose: a poem" in told


async def test_a_model_may_say_that_no_preference_fits() -> None:
    given = preferring("URL", ", threshold: 0.5")
    async with (
        serving(lambda _: chat("none of these")) as service,
        running(given.replace("URL", service.url)) as generation,
    ):
        model, signals = await asked(generation, "what time is it")
    assert model == "a"
    assert {signal.error for signal in signals.values()} == {""}


async def test_preferences_of_a_model_that_is_away_are_in_error() -> None:
    async with running(preferring(NOWHERE)) as generation:
        model, signals = await asked(generation, "fix this")
    assert model == "a"
    assert signals["preference", "code"].error == "EncoderFailed"


# ---------------------------------------------------------------- vectors


OUTAGE = "{name: outage, threshold: 0.6, candidates: [the service is down]}"
URGENT = "{name: urgent, priority: 10, modelRefs: [{model: b}], rules: {type: embedding, name: outage}}"


def embedding(url: str, more: str = "") -> str:
    signals = f"keywords: [{{name: hi, keywords: [hi]}}], embeddings: [{OUTAGE}]"
    semantic = (
        f"embedding_config: {{backend: openai_compatible}}, endpoint: {{base_url: '{url}', model: e{more}}}"
    )
    return (
        f"routing: {{signals: {{{signals}}}, decisions: [{GREETING}, {URGENT}]}}\n"
        f"global: {{model_catalog: {{embeddings: {{semantic: {{{semantic}}}}}}}}}\n"
    )


def inputs(service: Service) -> list[str]:
    return [text for _, body, _ in service.seen for text in body["input"]]


async def test_vectors_of_an_endpoint_decide_and_are_made_once_for_examples() -> None:
    async with serving(vectors) as service, running(embedding(service.url)) as generation:
        assert inputs(service) == ["hello", "the service is down"]
        model, signals = await asked(generation, "the service is down")
        assert model == "b"
        assert signals["embedding", "outage"].confidence == pytest.approx(1.0)
        model, _ = await asked(generation, "tell me a joke")
        assert model == "a"
    assert inputs(service)[2:] == ["the service is down", "tell me a joke"]


async def test_no_vector_is_bought_when_no_decision_can_still_use_it() -> None:
    async with serving(vectors) as service, running(embedding(service.url)) as generation:
        before = len(service.seen)
        model, signals = await asked(generation, "hi, the service is down")
        assert (model, len(service.seen)) == ("a", before)
        assert ("embedding", "outage") not in signals


async def test_an_endpoint_that_was_away_at_the_start_is_used_when_it_is_back() -> None:
    away = True

    def answer(body: dict[str, Any]) -> Any:
        return web.Response(status=503) if away else vectors(body)

    async with serving(answer) as service, running(embedding(service.url)) as generation:
        model, signals = await asked(generation, "the service is down")
        assert (model, signals["embedding", "outage"].error) == ("a", "EncoderFailed")
        away = False
        model, _ = await asked(generation, "the service is down")
        assert model == "b"


async def test_dimensions_are_asked_for_and_checked() -> None:
    async with serving(vectors) as service, running(embedding(service.url, ", dimensions: 8")) as generation:
        _, signals = await asked(generation, "x")
        assert signals["embedding", "outage"].error == "EncoderFailed"  # 256 came
    assert {body["dimensions"] for _, body, _ in service.seen} == {8}


# ---------------------------------------------------------------- opening and closing


async def test_rules_that_ask_the_same_service_share_its_connections() -> None:
    rules = ", ".join(f"{{name: {n}, type: sequence_classifier, model: judge, labels: [x, y]}}" for n in "cd")
    one = policy(
        f"routing: {{signals: {{classifiers: [{rules}]}}}}\n"
        f"global: {{model_catalog: {{external: [{EXTERNAL % ('classification', NOWHERE, '')}]}}}}\n"
    )
    shared = Shared()
    seats = await open_seats(one, shared)
    assert (set(seats.classifiers), len(shared)) == ({"c", "d"}, 1)
    await seats.aclose()
    assert not len(shared)


async def test_what_a_reload_leaves_unchanged_is_neither_opened_nor_embedded_again() -> None:
    async with serving(vectors) as service, running(embedding(service.url)) as first:
        before = len(service.seen)
        more = embedding(service.url).replace("[the service is down]", "[the service is down, it is broken]")
        second = await first.successor(policy(more))
        assert inputs(service)[before:] == ["it is broken"]
        second.superseded = True
        await first.aclose()
        model, _ = await asked(second, "it is broken")
        assert model == "b"
        await second.aclose()


async def test_examples_survive_a_reload_while_their_endpoint_is_away() -> None:
    away = False

    def answer(body: dict[str, Any]) -> Any:
        return web.Response(status=503) if away else vectors(body)

    async with serving(answer) as service, running(embedding(service.url)) as first:
        away = True
        second = await first.successor(policy(embedding(service.url)))
        away = False
        calls = len(service.seen)
        assert (await asked(second, "the service is down"))[0] == "b"
        assert len(service.seen) == calls + 1
        await second.discard()


@pytest.mark.parametrize("outcome", ["same", "other labels"])
async def test_an_mcp_server_is_started_anew_only_if_its_entry_changes(
    outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []

    class Server:
        def __init__(self, server: object, labels: tuple[str, ...]) -> None:
            started.append(labels)

        async def aclose(self) -> None:
            started.remove(started[0])

    monkeypatch.setattr(seats_room, "LateMCP", Server)
    monkeypatch.setattr(seats_room, "find_spec", lambda _: True)
    text = "routing: {signals: {classifiers: [RULE]}}\nglobal: {model_catalog: {mcp_servers: [ENTRY]}}\n"
    rule = "{name: r, type: mcp, model: tools, labels: [a, LABEL]}"
    entry = "{name: tools, command: python}"
    text = text.replace("RULE", rule).replace("ENTRY", entry)
    shared = Shared()
    first = await open_seats(policy(text.replace("LABEL", "b")), shared)
    second = await open_seats(policy(text.replace("LABEL", "b" if outcome == "same" else "c")), shared)
    assert started == ([("a", "b")] if outcome == "same" else [("a", "b"), ("a", "c")])
    await first.aclose()
    assert len(started) == 1
    await second.aclose()
    assert not started


async def test_recipes_cannot_give_one_name_to_different_models() -> None:
    other = RISK % ("llm", "")
    recipe = f"recipes: [{{name: r, routing: {{signals: {{classifiers: [{other}]}}}}}}]\n"
    one = policy(classifying(NOWHERE) + recipe + "entrypoints: [{model_names: [x], recipe: r}]\n")
    with pytest.raises(ConfigError, match="recipes give it different models"):
        await open_seats(one, Shared())


async def test_a_generation_that_ended_calls_nobody() -> None:
    async with serving(labels) as service, running(classifying(service.url)) as generation:
        await asked(generation, "rm")
        calls = len(service.seen)
        await generation.aclose()
        _, signals = await asked(generation, "rm")
        assert signals["classifier", "risk"].error == "EncoderFailed"
    assert len(service.seen) == calls
