"""One request's life without a door: what goes in, what is to be done, what comes back."""

from __future__ import annotations

import dataclasses
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripted import ScriptedEncoder, make_model, make_policy
from vsr.chat.body import parse_json
from vsr.config.envoy_pools import routed
from vsr.config.policy import ApiKey, Backend, Decision, Guards, Limits, Listener, ModelRef, PiiGuard, Policy
from vsr.content import Secret
from vsr.errors import BackendTimeout, VSRError
from vsr.exchange import Answer, Exchange, Forward, RequestHead, ResponseHead, Services
from vsr.exchange.account import Account
from vsr.route import FastResponse, HeaderMutation, PiiPolicy, SystemPrompt
from vsr.telemetry import Metrics

METRICS = Metrics()
Body = dict[str, Any]


def start(
    policy: Policy | None = None,
    *,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    encoder: ScriptedEncoder | None = None,
    running: int = 1,
    query: str = "",
    headers: dict[str, str] | None = None,
) -> Exchange:
    head = RequestHead(
        method=method,
        path=path,
        query=query,
        headers=tuple((headers or {}).items()),
    )
    services = Services(
        policy=policy or make_policy(),
        encoder=encoder or ScriptedEncoder(),  # type: ignore[arg-type] # scripted
        metrics=METRICS,
        running=running,
    )
    return Exchange(head, services, door="test")


def ask(text: str = "math! please", **fields: Any) -> bytes:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
    return json.dumps(body).encode()


async def forward(exchange: Exchange, body: bytes) -> tuple[Forward, Body]:
    assert exchange.on_request_headers() is None
    step = await exchange.on_request_body(body)
    assert isinstance(step, Forward), step
    sent: Body = json.loads(step.body)
    return step, sent


async def answer(exchange: Exchange, body: bytes) -> Answer:
    step = exchange.on_request_headers() or await exchange.on_request_body(body)
    assert isinstance(step, Answer), step
    return step


def error_of(step: Answer) -> tuple[int, str]:
    error = json.loads(step.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return step.status, error["code"]


# ---------------------------------------------------------------- the request


async def test_the_chosen_model_is_written_into_body_and_headers() -> None:
    step, sent = await forward(start(), ask())
    headers = step.attempts[0].set_headers
    assert sent["model"] == "math-7b"
    assert headers["x-selected-model"] == "math-7b"
    assert headers["x-gateway-destination-endpoint"] == "127.0.0.1:9001"
    assert step.attempts[0].path == "/v1/chat/completions"


async def test_a_lora_that_was_chosen_goes_by_its_own_name() -> None:
    base = make_policy()
    models = dict(base.models) | {"general-8b": make_model("general-8b", loras=("legal-lora",))}
    policy = dataclasses.replace(base, models=models, default_lora="legal-lora")
    exchange = start(policy)
    step, sent = await forward(exchange, ask("hello"))
    head = exchange.on_response_headers(200, (("content-type", "application/json"),))
    assert isinstance(head, ResponseHead)
    routed_as = step.attempts[0].set_headers["x-selected-model"]
    assert sent["model"] == routed_as == head.set_headers["x-vsr-selected-model"] == "legal-lora"
    assert (routed_as, step.attempts[0].backend) in {(name, backend) for name, backend, _ in routed(policy)}


async def test_reasoning_is_switched_on_for_a_category_that_wants_it() -> None:
    _, sent = await forward(start(), ask())
    assert sent["chat_template_kwargs"] == {"enable_thinking": True}


async def test_unknown_fields_reach_the_back_end_untouched() -> None:
    _, sent = await forward(start(), ask(frobnicate={"depth": [1, 2.5, None]}, seed=7))
    assert sent["frobnicate"] == {"depth": [1, 2.5, None]}
    assert sent["seed"] == 7


async def test_usage_is_asked_for_on_every_stream() -> None:
    step, sent = await forward(start(), ask(stream=True))
    assert step.stream
    assert sent["stream_options"] == {"include_usage": True}


async def test_forged_routing_identity_and_credential_headers_are_removed() -> None:
    forged = {
        "x-selected-model": "big",
        "x-gateway-destination-endpoint": "10.0.0.1:80",
        "x-vsr-looper-request": "true",
        "x-authz-user-id": "root",
        "authorization": "Bearer mine",
        "cookie": "a=b",
    }
    step, _ = await forward(start(headers=forged), ask())
    attempt = step.attempts[0]
    remaining = set(forged) - attempt.remove_headers
    assert remaining == {"x-selected-model", "x-gateway-destination-endpoint"}  # overwritten
    assert "Bearer mine" not in attempt.set_headers.values()


@pytest.mark.parametrize(
    "name", ["x-goog-api-key", "api-key", "proxy-authorization", "x-amz-security-token", "x-auth-token"]
)
async def test_a_clients_key_reaches_no_back_end_whatever_its_header(name: str) -> None:
    step, _ = await forward(start(headers={name: "mine"}), ask())
    assert name in step.attempts[0].remove_headers


async def test_the_back_ends_own_key_is_sent_where_it_belongs() -> None:
    policy = make_policy()
    backend = Backend("k/0", "math-7b", "https", "api.example.com", 443, api_key=Secret("sk-1"))
    models = dict(policy.models) | {
        "math-7b": dataclasses.replace(make_model("math-7b"), backends=(backend,))
    }
    step, _ = await forward(start(dataclasses.replace(policy, models=models)), ask())
    assert step.attempts[0].set_headers["authorization"] == "Bearer sk-1"


async def test_masked_entities_do_not_reach_the_back_end() -> None:
    policy = dataclasses.replace(
        make_policy(), guards=Guards(pii=PiiGuard(policy=PiiPolicy(frozenset(), "mask")))
    )
    _, sent = await forward(start(policy), ask("math! I am alice"))
    assert "alice" not in json.dumps(sent)
    assert "PERSON" in sent["messages"][0]["content"]


async def test_plugins_of_the_decision_are_applied() -> None:
    decision = Decision(
        "all",
        models=(ModelRef("general-8b"),),
        plugins=(SystemPrompt("Be brief."), HeaderMutation(add=(("x-team", "a"),))),
    )
    step, sent = await forward(start(dataclasses.replace(make_policy(), decisions=(decision,))), ask())
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert step.attempts[0].set_headers["x-team"] == "a"


async def test_a_fast_response_answers_without_a_back_end() -> None:
    decision = Decision("hi", plugins=(FastResponse("Hello there."),))
    step = await answer(start(dataclasses.replace(make_policy(), decisions=(decision,))), ask())
    assert json.loads(step.body)["choices"][0]["message"]["content"] == "Hello there."
    assert dict(step.headers)["x-vsr-fast-response"] == "true"


async def test_plugins_that_did_something_are_counted() -> None:
    decision = Decision("counted", plugins=(SystemPrompt("Be brief."), FastResponse("Hello there.")))
    exchange = start(dataclasses.replace(make_policy(), decisions=(decision,)))
    await answer(exchange, ask())
    exchange.close()
    labels = {"decision_name": "counted", "status": "success"}
    counted = [
        METRICS.registry.get_sample_value("llm_plugin_execution_total", labels | {"plugin_type": kind})
        for kind in ("fast_response", "system_prompt")
    ]
    assert counted == [1.0, None]


async def test_a_jailbreak_is_a_403_that_clients_do_not_retry() -> None:
    step = await answer(start(), ask("attack!"))
    headers = dict(step.headers)
    assert error_of(step) == (403, "jailbreak_refused")
    assert (headers["x-vsr-response-path"], headers["x-should-retry"]) == ("blocked", "false")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_can_be_a_completion_with_finish_reason_content_filter(stream: bool) -> None:
    policy = dataclasses.replace(make_policy(), guards=Guards(refusal="completion"))
    step = await answer(start(policy), ask("attack!", stream=stream))
    kind = dict(step.headers)["content-type"]
    assert (step.status, kind) == (200, "text/event-stream" if stream else "application/json")
    assert b'"content_filter"' in step.body
    assert step.body.endswith(b"data: [DONE]\n\n") == stream


async def test_an_unavailable_guard_is_a_503_with_retry_after() -> None:
    step = await answer(start(encoder=ScriptedEncoder(error=VSRError())), ask())
    assert error_of(step) == (503, "guard_unavailable")
    assert "retry-after" in dict(step.headers)


async def test_an_unknown_model_is_404_or_what_the_configuration_says() -> None:
    assert error_of(await answer(start(), ask(model="x"))) == (404, "model_not_found")
    policy = dataclasses.replace(make_policy(), unknown_model_status=400)
    assert error_of(await answer(start(policy), ask(model="x"))) == (400, "model_not_found")


async def test_a_bug_inside_is_a_500_that_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    step = await answer(start(encoder=ScriptedEncoder(error=KeyError("canary"))), ask())
    assert error_of(step) == (500, "internal_error")
    assert b"canary" not in step.body
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/v1/chat/completions/", "//v1/chat/completions", "/v1//chat/completions", "/v1/chat%2Fcompletions",
     "/V1/chat/completions", "/v1/embeddings", "/", "", "/v1/chat/../chat/completions"],
)  # fmt: skip
async def test_odd_paths_are_404(path: str) -> None:
    assert error_of(await answer(start(path=path), b"")) == (404, "not_found")


async def test_a_wrong_method_is_405() -> None:
    assert error_of(await answer(start(method="GET"), b""))[0] == 405


async def test_models_are_listed_and_found_by_name() -> None:
    listed = await answer(start(path="/v1/models", method="GET"), b"")
    assert "auto" in {item["id"] for item in json.loads(listed.body)["data"]}
    item = await answer(start(path="/v1/models/vllm-sr%2Fauto", method="GET"), b"")
    assert json.loads(item.body)["id"] == "vllm-sr/auto"
    assert error_of(await answer(start(path="/v1/models/nope", method="GET"), b""))[0] == 404


async def test_a_listener_with_keys_wants_one_of_them() -> None:
    policy = dataclasses.replace(
        make_policy(),
        listeners=(Listener("default", api_keys=(ApiKey(Secret("right")), ApiKey(Secret("other")))),),
    )
    assert error_of(await answer(start(policy), ask())) == (401, "missing_api_key")
    assert error_of(await answer(start(policy, headers={"authorization": "Bearer wrong"}), ask())) == (
        401,
        "invalid_api_key",
    )
    await forward(start(policy, headers={"authorization": "Bearer right"}), ask())
    health = await answer(start(policy, path="/health", method="GET"), b"")
    assert health.status == 200


async def test_too_many_requests_at_once_are_turned_away_quickly() -> None:
    policy = dataclasses.replace(make_policy(), limits=Limits(max_concurrent_requests=4))
    step = await answer(start(policy, running=5), ask())
    assert error_of(step) == (503, "overloaded")
    assert dict(step.headers)["retry-after"] == "1"


async def test_a_body_over_the_limit_is_413_before_it_is_read() -> None:
    policy = dataclasses.replace(make_policy(), limits=Limits(max_body_bytes=100))
    exchange = start(policy, headers={"content-length": "101"})
    assert error_of(await answer(exchange, b"")) == (413, "request_too_large")


async def test_a_packed_body_is_parsed_beside_the_loop_however_small_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def parsed(raw: bytes, nesting: int) -> Body:
        threads.append(threading.current_thread())
        return parse_json(raw, nesting)

    monkeypatch.setattr("vsr.exchange.exchange.parse_json", parsed)
    await forward(start(), ask())
    await forward(start(headers={"content-encoding": "gzip"}), gzip.compress(ask()))
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_the_clients_request_id_is_kept_and_a_missing_one_made() -> None:
    step, _ = await forward(start(headers={"x-request-id": "abc-1"}), ask())
    assert step.attempts[0].set_headers["x-request-id"] == "abc-1"
    step, _ = await forward(start(headers={"x-request-id": "bad id\n"}), ask())
    assert step.attempts[0].set_headers["x-request-id"] != "bad id\n"


async def test_one_request_is_one_pass_of_the_encoder() -> None:
    encoder = ScriptedEncoder()
    await forward(start(encoder=encoder), ask())
    assert encoder.calls == 1


# ---------------------------------------------------------------- the response


async def responding(
    content_type: str, status: int = 200, **fields: Any
) -> tuple[Exchange, ResponseHead | Answer]:
    exchange = start()
    await forward(exchange, ask(**fields))
    return exchange, exchange.on_response_headers(status, (("content-type", content_type),))


def events(*datas: object) -> Iterator[bytes]:
    for data in datas:
        yield b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


CHUNK = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "4"}}]}
LAST = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}


async def test_what_was_decided_stands_in_the_response_headers() -> None:
    _, head = await responding("application/json")
    assert isinstance(head, ResponseHead)
    assert head.set_headers["x-vsr-selected-category"] == "math"
    assert head.set_headers["x-vsr-selected-confidence"] == "0.9000"
    assert head.set_headers["x-vsr-selected-model"] == "math-7b"
    assert head.set_headers["x-vsr-response-path"] == "upstream"


async def test_a_stream_passes_chunk_by_chunk_without_the_usage_nobody_asked_for() -> None:
    exchange, head = await responding("text/event-stream", stream=True)
    assert isinstance(head, ResponseHead)
    assert not head.buffered
    first, last, usage, done = events(CHUNK, LAST, USAGE, b"[DONE]")
    assert exchange.on_response_chunk(first) == first
    assert exchange.on_response_chunk(last + usage) == last
    assert exchange.on_response_chunk(done) == done
    assert exchange.on_response_end() == b""


async def test_usage_that_the_client_asked_for_stays() -> None:
    exchange, _ = await responding("text/event-stream", stream=True, stream_options={"include_usage": True})
    (usage,) = events(USAGE)
    assert exchange.on_response_chunk(usage) == usage


async def test_a_stream_that_breaks_off_ends_with_an_error_event() -> None:
    exchange, _ = await responding("text/event-stream", stream=True)
    (first,) = events(CHUNK)
    exchange.on_response_chunk(first)
    assert b'"error"' in exchange.on_response_end()


async def test_a_back_end_that_fails_mid_stream_becomes_an_error_event() -> None:
    exchange, _ = await responding("text/event-stream", stream=True)
    rest = exchange.on_backend_failure(BackendTimeout("The model's server stopped answering."))
    assert isinstance(rest, bytes)
    assert b"backend_timeout" in rest


async def test_a_response_that_breaks_off_is_counted_as_neither_whole_nor_left() -> None:
    exchange, _ = await responding("text/event-stream", stream=True)
    labels = {"door": "test", "status": "200", "code": "response_interrupted"}
    before = METRICS.registry.get_sample_value("vsr_requests_total", labels) or 0
    exchange.on_response_chunk(next(events(CHUNK)))
    exchange.on_interruption()
    exchange.close()
    assert METRICS.registry.get_sample_value("vsr_requests_total", labels) == before + 1


async def test_an_exchange_that_another_process_answers_is_counted_there() -> None:
    def counted() -> float:
        samples = [one for family in METRICS.requests.collect() for one in family.samples]
        return sum(one.value for one in samples if one.name == "vsr_requests_total")

    exchange = start()
    await forward(exchange, ask())
    before = counted()
    exchange.on_answered_elsewhere()
    exchange.close()
    assert counted() == before


async def test_a_request_is_released_even_if_it_cannot_be_accounted_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(account: Account, *, client_gone: bool) -> None:
        raise OverflowError

    monkeypatch.setattr(Account, "settle", broken)
    released: list[bool] = []
    services = Services(make_policy(), ScriptedEncoder(), METRICS)  # type: ignore[arg-type] # scripted
    head = RequestHead("POST", "/v1/chat/completions", ())
    exchange = Exchange(head, services, door="test", on_close=lambda: released.append(True))
    with pytest.raises(OverflowError):
        exchange.close()
    assert released == [True]


async def test_a_back_end_that_fails_before_its_head_is_a_504() -> None:
    exchange = start()
    await forward(exchange, ask())
    step = exchange.on_backend_failure(BackendTimeout("No answer in time."))
    assert isinstance(step, Answer)
    assert error_of(step) == (504, "backend_timeout")


@pytest.mark.parametrize("garbage", [b"<html>", b"[]", b'{"choices": 3}', b"\xff\xfe"])
async def test_garbage_from_a_back_end_is_a_502(garbage: bytes) -> None:
    exchange, head = await responding("application/json")
    assert isinstance(head, ResponseHead)
    assert head.buffered
    step = exchange.on_response_body(garbage)
    assert isinstance(step, Answer)
    assert error_of(step) == (502, "bad_backend")


async def test_html_where_json_was_due_is_a_502() -> None:
    _, head = await responding("text/html")
    assert isinstance(head, Answer)
    assert error_of(head) == (502, "bad_backend")


async def test_a_back_ends_own_error_passes_through() -> None:
    exchange, head = await responding("application/json", status=429)
    assert isinstance(head, ResponseHead)
    assert head.status == 429
    assert exchange.on_response_chunk(b'{"error":{}}') == b'{"error":{}}'


async def test_what_a_back_end_says_to_its_caller_s_browser_and_account_stays_here() -> None:
    exchange = start()
    await forward(exchange, ask())
    fields = ("set-cookie", "location", "openai-organization", "openai-project")
    given = [("content-type", "application/json"), ("openai-version", "1"), *((one, "x") for one in fields)]
    head = exchange.on_response_headers(200, given)
    assert isinstance(head, ResponseHead)
    assert head.remove_headers == frozenset(fields)


async def test_names_that_are_not_ascii_are_percent_encoded_in_headers() -> None:
    policy = make_policy()
    domains = tuple(dataclasses.replace(rule, name="数学") for rule in policy.signals.domains[:1])
    policy = dataclasses.replace(policy, signals=dataclasses.replace(policy.signals, domains=domains))
    exchange = start(policy)
    await forward(exchange, ask())
    head = exchange.on_response_headers(200, (("content-type", "application/json"),))
    assert isinstance(head, ResponseHead)
    assert head.set_headers["x-vsr-selected-category"] == "%E6%95%B0%E5%AD%A6"
