"""The management API over real sockets, judging with a scripted encoder."""

from __future__ import annotations

import gzip
import json
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.doors.managing import Api, management
from tests.doors.wire import Wire, ask
from tests.scripted import BundleWithManifest, ScriptedBundle, ScriptedEncoder, make_policy
from vsr.chat.request import parse_chat_request
from vsr.config.policy import (
    Band,
    Bands,
    Decision,
    Guards,
    Input,
    Leaf,
    Limits,
    Management,
    ManagementToken,
    ModelRef,
    PiiGuard,
    Policy,
    Projections,
    Score,
)
from vsr.config.predicate import Predicate
from vsr.content import Secret
from vsr.errors import InternalError
from vsr.facts import Passage, Readings
from vsr.route import PiiPolicy
from vsr.router import explain, judge

CLASSIFY = "/api/v1/classify/"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with management() as api:
        yield api


def with_tokens() -> Policy:
    tokens = (ManagementToken(Secret("right"), "viewer"),)
    return replace(make_policy(), management=Management(tokens=tokens))


# ---------------------------------------------------------------- health and what is loaded


@pytest.mark.parametrize("path", ["/health", "/livez", "/ready", "/readyz"])
async def test_health_needs_no_token(path: str) -> None:
    async with management(with_tokens()) as api:
        assert (await api.get(path)).status == 200


async def test_a_stopped_generation_is_alive_and_not_ready(api: Api) -> None:
    await api.generation.aclose()
    assert (await api.get("/health")).status == 200
    reply = await api.get("/ready")
    assert (reply.status, reply.json) == (503, {"ready": False})


async def test_every_listed_endpoint_is_served_and_in_the_openapi_document(api: Api) -> None:
    listed = (await api.get("/api/v1")).json["endpoints"]
    document = (await api.get("/openapi.json")).json
    assert {(one["path"], one["method"].lower()) for one in listed} == {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }
    for one in listed:
        reply = await ask(api.port, one["method"], one["path"], b"{}" if one["method"] == "POST" else b"")
        assert reply.status not in (404, 405), one["path"]


async def test_models_are_those_that_clients_may_name(api: Api) -> None:
    names = [model["id"] for model in (await api.get("/v1/models")).json["data"]]
    assert "auto" in names


async def test_the_bundle_and_its_labels_are_described() -> None:
    bundle = BundleWithManifest()
    async with management(encoder=ScriptedEncoder(bundle=bundle)) as api:
        models = (await api.get("/info/models")).json
        assert models["bundle"]["digest"] == "scripted"
        heads = ["domain", "jailbreak", "pii", "embedding", "fact_check", "feedback"]
        assert [model["type"] for model in models["models"]] == heads
        info = (await api.get("/info/classifier")).json
        assert "math" in info["categories"]
        assert "EMAIL_ADDRESS" in info["pii_types"]
        assert info["capabilities"] == ["intent", "pii", "security", "fact-check", "user-feedback"]
        assert info["feedback"]["labels"] == list(bundle.manifest.heads.asks["feedback"].labels)
        assert (await api.get("/startup-status")).json["bundle"] == "scripted"


# ---------------------------------------------------------------- who may ask, and how


@pytest.mark.parametrize(
    ("header", "status"),
    [(None, 401), ("Bearer wrong", 401), ("Basic right", 401), ("Bearer ", 401), ("Bearer right", 200)],
)
async def test_a_configured_token_is_needed_for_everything_else(header: str | None, status: int) -> None:
    async with management(with_tokens()) as api:
        headers = {"authorization": header} if header else {}
        reply = await ask(api.port, "GET", "/v1/models", headers=headers)
        assert reply.status == status
        if status == 401:
            assert reply.error["type"] == "authentication_error"


async def test_another_method_is_a_405_that_names_the_right_one(api: Api) -> None:
    reply = await api.get("/api/v1/eval")
    assert (reply.status, reply.error["code"], reply.headers["allow"]) == (405, "method_not_allowed", "POST")


@pytest.mark.parametrize("path", ["/", "/api/v1/", "/api/v1/classify", "/docs/../x", "/api/v1/eval/"])
async def test_an_unknown_path_is_a_404_in_openai_shape(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert (reply.status, reply.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text":"a","text":"b"}', b'{"text":"\xff"}', b'"a"'])
async def test_a_body_that_is_no_clean_json_object_is_invalid_input(api: Api, body: bytes) -> None:
    reply = await ask(api.port, "POST", CLASSIFY + "intent", body)
    assert (reply.status, reply.error["code"]) == (400, "INVALID_INPUT")


async def test_a_compressed_body_is_read(api: Api) -> None:
    body = gzip.compress(b'{"text": "math!"}')
    reply = await ask(api.port, "POST", CLASSIFY + "intent", body, {"content-encoding": "gzip"})
    assert reply.json["classification"]["category"] == "math"


async def test_a_body_over_the_limit_is_a_413() -> None:
    policy = replace(make_policy(), limits=Limits(max_body_bytes=100))
    async with management(policy) as api:
        assert (await api.post(CLASSIFY + "pii", text="x" * 100)).status == 413
        async with Wire(api.port) as wire:
            head = f"POST {CLASSIFY}pii HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            await wire.send(head.encode() + b"c8\r\n" + b"x" * 200 + b"\r\n0\r\n\r\n")
            assert (await wire.reply()).status == 413


# ---------------------------------------------------------------- classification


async def test_intent_says_the_category_and_which_model_would_serve(api: Api) -> None:
    result = (await api.post(CLASSIFY + "intent", text="math! 1+1")).json
    assert result["classification"]["category"] == "math"
    assert result["classification"]["confidence"] == pytest.approx(0.9)
    assert result["classification"]["processing_time_ms"] > 0
    assert result["recommended_model"] == "math-7b"
    assert result["matched_signals"] == {"domains": ["math"]}
    assert result["signal_errors"] == {}
    assert "probabilities" not in result


async def test_intent_gives_probabilities_if_asked_likeliest_first(api: Api) -> None:
    options = {"return_probabilities": True}
    result = (await api.post(CLASSIFY + "intent", text="law!", options=options)).json
    assert next(iter(result["probabilities"])) == "law"
    assert len(result["probabilities"]) == 3


async def test_pii_returns_types_places_and_values_to_the_asker(api: Api) -> None:
    text = "请问 alice 的邮箱是 bob@example.com 吗"
    result = (await api.post(CLASSIFY + "pii", text=text)).json
    assert result["has_pii"] is True
    found = {entity["type"]: entity for entity in result["entities"]}
    assert found["PERSON"]["value"] == "alice"
    assert found["EMAIL_ADDRESS"]["value"] == "bob@example.com"
    for entity in result["entities"]:
        assert text[entity["start_position"] : entity["end_position"]] == entity["value"]
    assert result["masked_text"] == "请问 [PERSON] 的邮箱是 [EMAIL_ADDRESS] 吗"
    assert found["PERSON"]["masked_value"] == "[PERSON]"
    assert result["security_recommendation"] == "allow"  # this policy allows every type


async def test_places_of_pii_are_in_the_text_as_it_was_sent_around_what_a_harness_wrote(api: Api) -> None:
    text = "<system-reminder>of alice</system-reminder> mail me: bob@example.com"
    entities = (await api.post(CLASSIFY + "pii", text=text)).json["entities"]
    assert [entity["value"] for entity in entities] == ["alice", "bob@example.com"]
    for entity in entities:
        assert text[entity["start_position"] : entity["end_position"]] == entity["value"]


async def test_pii_recommends_what_the_policy_would_do() -> None:
    strict = PiiGuard(policy=PiiPolicy(frozenset(), "block"))
    async with management(replace(make_policy(), guards=Guards(pii=strict))) as api:
        result = (await api.post(CLASSIFY + "pii", text="alice")).json
        assert result["security_recommendation"] == "block"
    masking = PiiGuard(policy=PiiPolicy(frozenset(), "mask"))
    async with management(replace(make_policy(), guards=Guards(pii=masking))) as api:
        result = (await api.post(CLASSIFY + "pii", text="alice")).json
        assert result["security_recommendation"] == "mask"


async def test_a_text_without_pii_says_so(api: Api) -> None:
    result = (await api.post(CLASSIFY + "pii", text="nothing")).json
    assert (result["has_pii"], result["entities"], result["masked_text"]) == (False, [], "nothing")


async def test_security_tells_an_attack_from_a_question(api: Api) -> None:
    attack = (await api.post(CLASSIFY + "security", text="attack!")).json
    assert (attack["is_jailbreak"], attack["risk_score"]) == (True, pytest.approx(0.97))
    assert (attack["detection_types"], attack["recommendation"]) == (["jailbreak"], "block")
    benign = (await api.post(CLASSIFY + "security", text="hello")).json
    assert (benign["is_jailbreak"], benign["risk_score"]) == (False, pytest.approx(0.02))
    assert benign["confidence"] == pytest.approx(0.98)


@dataclass
class AskedEncoder(ScriptedEncoder):
    """Hears, besides, that facts are asked for, and feedback of one kind."""

    bundle: ScriptedBundle = field(default_factory=BundleWithManifest)
    fact_check: float | None = None
    feedback: dict[str, float] = field(default_factory=dict)

    async def read(
        self, passages: Sequence[Passage], ask: Sequence[int], *, deadline: float | None = None
    ) -> Readings:
        readings = await super().read(passages, ask, deadline=deadline)
        return replace(readings, fact_check=self.fact_check, feedback=self.feedback)


@pytest.mark.parametrize(
    ("probability", "needed", "label", "confidence"),
    [
        (0.9, True, "FACT_CHECK_NEEDED", 0.9),
        (0.2, False, "NO_FACT_CHECK_NEEDED", 0.8),
        (None, False, "NO_FACT_CHECK_NEEDED", 1.0),
    ],
)
async def test_fact_check_says_whether_facts_are_asked_for(
    probability: float | None, needed: bool, label: str, confidence: float
) -> None:
    async with management(encoder=AskedEncoder(fact_check=probability)) as api:
        result = (await api.post(CLASSIFY + "fact-check", text="who was first?")).json
    assert (result["needs_fact_check"], result["label"]) == (needed, label)
    assert result["confidence"] == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("heard", "kind", "label", "confidence"),
    [
        ({"NONE": 0.1, "SAT": 0.6, "WRONG_ANSWER": 0.3}, "satisfied", "SAT", 0.6),
        ({"NONE": 0.4, "SAT": 0.1, "WRONG_ANSWER": 0.5}, "none", "NONE", 0.4),
        ({}, "none", "NONE", 1.0),
    ],
)
async def test_user_feedback_says_what_a_text_says_of_an_answer(
    heard: dict[str, float], kind: str, label: str, confidence: float
) -> None:
    async with management(encoder=AskedEncoder(feedback=heard)) as api:
        result = (await api.post(CLASSIFY + "user-feedback", text="that helped")).json
    assert (result["feedback_type"], result["label"], result["confidence"]) == (kind, label, confidence)


@pytest.mark.parametrize("task", ["fact-check", "user-feedback"])
async def test_a_head_that_the_bundle_lacks_is_a_503(task: str) -> None:
    bundle = BundleWithManifest()
    heads = replace(bundle.manifest.heads, fact_check=None, feedback=None)
    bundle.manifest = replace(bundle.manifest, heads=heads)
    async with management(encoder=ScriptedEncoder(bundle=bundle)) as api:
        reply = await api.post(CLASSIFY + task, text="hello")
    assert (reply.status, reply.error["code"]) == (503, "UNIFIED_CLASSIFIER_UNAVAILABLE")


async def test_combined_is_the_three_answers_side_by_side_from_one_encoder_pass() -> None:
    encoder = ScriptedEncoder()
    async with management(encoder=encoder) as api:
        result = (await api.post(CLASSIFY + "combined", text="attack! alice math!")).json
    assert result["intent"]["classification"]["category"] == "math"
    assert result["pii"]["has_pii"] is True
    assert result["security"]["is_jailbreak"] is True
    assert encoder.calls == 1


@pytest.mark.parametrize("text", [None, "", "  ", 7, ["a"]])
async def test_a_text_that_is_none_is_invalid_input(api: Api, text: object) -> None:
    for task in ("intent", "pii", "security", "combined"):
        reply = await api.post(CLASSIFY + task, text=text)
        assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "INVALID_INPUT", "text")


async def test_an_encoder_that_fails_is_a_503_not_a_clean_result() -> None:
    async with management(encoder=ScriptedEncoder(error=InternalError("broken"))) as api:
        for task in ("intent", "pii", "security", "combined"):
            reply = await api.post(CLASSIFY + task, text="hello")
            assert (reply.status, reply.error["code"]) == (503, "UNIFIED_CLASSIFIER_UNAVAILABLE")
        reply = await api.post(CLASSIFY + "batch", texts=["hello"])
        assert (reply.status, reply.error["code"]) == (503, "UNIFIED_CLASSIFIER_UNAVAILABLE")


# ---------------------------------------------------------------- batches


TEXTS = ["math! 1", "law! attack!", "alice"]


async def test_a_batch_of_intents_has_results_in_order_and_statistics(api: Api) -> None:
    reply = (await api.post(CLASSIFY + "batch", texts=TEXTS, task_type="intent")).json
    assert [result["category"] for result in reply["results"]] == ["math", "law", "other"]
    assert set(reply["results"][0]) == {"category", "confidence", "processing_time_ms"}
    assert reply["total_count"] == 3
    assert reply["statistics"]["category_distribution"] == {"math": 1, "law": 1, "other": 1}
    assert reply["statistics"]["avg_confidence"] == pytest.approx(0.9)
    assert reply["statistics"]["low_confidence_count"] == 0


async def test_the_task_of_a_batch_is_intent_if_not_given(api: Api) -> None:
    reply = (await api.post(CLASSIFY + "batch", texts=["math!"])).json
    assert reply["results"][0]["category"] == "math"


@pytest.mark.parametrize("task", ["pii", "security"])
async def test_a_batch_gives_per_text_what_the_single_endpoint_gives(api: Api, task: str) -> None:
    batch = (await api.post(CLASSIFY + "batch", texts=TEXTS, task_type=task)).json["results"]
    for text, result in zip(TEXTS, batch, strict=True):
        single = (await api.post(CLASSIFY + task, text=text)).json
        del single["processing_time_ms"], result["processing_time_ms"]
        assert result == single


async def test_a_batch_of_all_has_every_key_of_the_three_tasks(api: Api) -> None:
    results = (await api.post(CLASSIFY + "batch", texts=TEXTS, task_type="all")).json["results"]
    assert [result["is_jailbreak"] for result in results] == [False, True, False]
    assert [result["has_pii"] for result in results] == [False, False, True]
    assert [result["category"] for result in results] == ["math", "law", "other"]
    assert results[1]["risk_score"] == pytest.approx(0.97)


async def test_a_large_batch_keeps_its_order(api: Api) -> None:
    texts = [("math!" if number % 3 else "law!") + str(number) for number in range(100)]
    results = (await api.post(CLASSIFY + "batch", texts=texts)).json["results"]
    assert [result["category"] for result in results] == ["math" if n % 3 else "law" for n in range(100)]


@pytest.mark.parametrize("texts", [None, [], "text", [""], ["a", 7], ["a"] * 101])
async def test_texts_that_are_none_or_too_many_are_invalid_input(api: Api, texts: object) -> None:
    reply = await api.post(CLASSIFY + "batch", texts=texts)
    assert (reply.status, reply.error["code"]) == (400, "INVALID_INPUT")


@pytest.mark.parametrize("task", ["sentiment", 7, ["pii"]])
async def test_an_unknown_task_is_an_invalid_task_type(api: Api, task: object) -> None:
    reply = await api.post(CLASSIFY + "batch", texts=["a"], task_type=task)
    assert (reply.status, reply.error["code"]) == (400, "INVALID_TASK_TYPE")


# ---------------------------------------------------------------- evaluation


async def test_eval_answers_what_judge_and_decide_say(api: Api) -> None:
    result = (await api.post("/api/v1/eval", text="math! 1+1")).json
    policy = api.generation.policy
    request = parse_chat_request({"model": "auto", "messages": [{"role": "user", "content": "math! 1+1"}]})
    facts = await judge(request, policy, api.generation.encoder)
    expected = explain("vllm-sr/auto", facts, policy).as_dict()
    for timed in (expected, result["eval_trace"]):
        del timed["seconds"]
    assert result["eval_trace"] == json.loads(json.dumps(expected))
    assert (result["selected_model"], result["selection_status"]) == ("math-7b", "forward")
    assert result["recommended_models"] == ["math-7b", "general-8b"]
    assert result["original_text"] == "math! 1+1"
    assert result["signal_confidences"] == {"domain:math": pytest.approx(0.9)}
    assert set(result["signal_values"]) == {"domain:math", "domain:law", "jailbreak:attack"}


async def test_eval_says_which_decision_won_and_by_which_signals() -> None:
    careful = Decision("careful", 10, rules=Leaf("jailbreak", "attack"), models=(ModelRef("general-8b"),))
    async with management(replace(make_policy(), decisions=(careful,))) as api:
        result = (await api.post("/api/v1/eval", text="attack! math!")).json
        assert result["routing_decision"] == "careful"
        assert result["decision_result"]["matched_signals"] == {"jailbreak": ["attack"]}
        assert result["decision_result"]["used_signals"] == {"jailbreak": ["attack"]}
        assert result["decision_result"]["unmatched_signals"] == {}


async def test_eval_tells_projections_and_the_recipe_that_was_asked() -> None:
    steps = (
        Score("effort", (Input("domain", "math", 0.5, "confidence"),)),
        Bands("band", "effort", (Band("hard", Predicate(gte=0.4)), Band("easy", Predicate(lt=0.4)))),
    )
    base = make_policy()
    think = Decision("think", rules=Leaf("projection", "hard"), models=(ModelRef("math-7b"),))
    base = replace(base, auto_names=(*base.auto_names, "slow"))
    careful = replace(base, recipe="careful", projections=Projections(steps=steps), decisions=(think,))
    policy = replace(base, recipes={"careful": careful}, entrypoints={"slow": "careful"})
    async with management(policy) as api:
        result = (await api.post("/api/v1/eval", text="math!", model="slow")).json
        assert (result["recipe"], result["routing_decision"]) == ("careful", "think")
        assert result["projection_scores"] == {"effort": pytest.approx(0.45)}
        assert result["decision_result"]["matched_signals"] == {"projection": ["hard"]}
        assert result["signal_confidences"]["projection:hard"] > 0.5
        flips = {flip["signal"]: flip["at"] for flip in result["eval_trace"]["flips"]}
        assert flips["domain:math"] == pytest.approx(0.8, abs=1e-3)
        other = (await api.post("/api/v1/eval", text="math!")).json
        assert (other["recipe"], other["routing_decision"]) == ("default", "")


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": [{"role": "system", "content": "attack!"}, {"role": "user", "content": "math!"}]},
        {"body": {"model": "auto", "messages": [{"role": "user", "content": "attack! math!"}]}},
        {"text": "attack! math!", "model": "math-7b"},
    ],
)
async def test_eval_takes_conversations_whole_requests_and_named_models(
    api: Api, asked: dict[str, Any]
) -> None:
    result = (await api.post("/api/v1/eval", **asked)).json
    assert result["selection_status"] == "refuse"
    assert result["selected_model"] == "math-7b"


async def test_eval_reports_an_encoder_that_failed_instead_of_guessing() -> None:
    async with management(encoder=ScriptedEncoder(error=InternalError("broken"))) as api:
        result = (await api.post("/api/v1/eval", text="math!")).json
        assert result["selection_status"] == "unavailable"
        assert result["signal_errors"]["domain:math"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "INVALID_INPUT"),
        ({"text": "a", "messages": []}, "INVALID_INPUT"),
        ({"text": "a", "model": 7}, "INVALID_INPUT"),
        ({"messages": []}, "INVALID_INPUT"),
        ({"body": []}, "INVALID_INPUT"),
        ({"body": {"messages": [{"role": "user", "content": "a"}]}}, "INVALID_INPUT"),
        ({"text": "a", "model": "nobody"}, "INVALID_ROUTING_MODEL"),
    ],
)
async def test_a_wrong_question_to_eval_is_a_400_with_its_code(
    api: Api, asked: dict[str, Any], code: str
) -> None:
    reply = await api.post("/api/v1/eval", **asked)
    assert (reply.status, reply.error["code"]) == (400, code)


async def test_eval_and_classify_have_no_effect_and_leave_no_text_behind(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = api.generation.metrics.exposition()
    await api.post("/api/v1/eval", text="canary alice")
    await api.post(CLASSIFY + "pii", text="canary alice")
    assert api.generation.metrics.exposition() == before
    assert "canary" not in caplog.text


async def test_a_bug_is_a_500_whose_log_shows_no_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    canary = str(uuid.uuid4())

    def fail(*_: object, **__: object) -> None:
        raise KeyError(canary)

    async with management() as api:
        monkeypatch.setattr("vsr.doors.management.evaluate.explain", fail)
        reply = await api.post("/api/v1/eval", text="hello")
        assert (reply.status, reply.error["code"]) == (500, "internal_error")
    assert "KeyError" in caplog.text
    assert canary not in caplog.text
