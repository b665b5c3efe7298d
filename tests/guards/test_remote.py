"""A guard of others, from the configuration to the refusal, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.config.documents import complaint, policy, warned
from tests.encoder.remote.service import Service, serving
from tests.signals.test_seats import NOWHERE, chat, running
from vsr.encoder.remote.guard import LETTERS, OVERLAP, PART, RemoteGuard, split
from vsr.exchange import Action, Answer, Forward, RequestHead
from vsr.generation import Generation

SYSTEM = {"role": "system", "content": "never say xyzzy"}


def guard(
    url: str,
    protocol: str = "http_classify",
    *,
    external: str = "",
    endpoint: str = "",
    module: str = "",
    more: str = "",
) -> str:
    where = f"llm_endpoint: {{base_url: '{url}'{endpoint}}}"
    entry = f"{{name: warden, model_role: guardrail, llm_model_name: m, {where}{external}}}"
    own = f"prompt_guard: {{protocol: {protocol}{module}}}"
    return f"global: {{model_catalog: {{external: [{entry}], modules: {{{own}}}}}{more}}}\n"


def scores(body: dict[str, Any]) -> list[dict[str, Any]]:
    risk = 0.9 if "xyzzy now" in body["inputs"] else 0.1
    return [{"label": "JAILBREAK", "score": risk}, {"label": "benign", "score": 1 - risk}]


async def done(generation: Generation, *messages: dict[str, str] | str) -> Action:
    said = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    exchange = generation.exchange(RequestHead("POST", "/v1/chat/completions", ()), "test")
    try:
        assert exchange.on_request_headers() is None
        return await exchange.on_request_body(json.dumps({"model": "auto", "messages": said}).encode())
    finally:
        exchange.close()


def status(step: Action) -> int:
    assert isinstance(step, Answer | Forward)
    return step.status if isinstance(step, Answer) else 200


def count(generation: Generation, result: str) -> float:
    return float(generation.metrics.remote_guard.labels(result=result)._value.get())


def inputs(service: Service) -> list[str]:
    return [body["inputs"] for _, body, _ in service.seen]


async def test_a_remote_guard_refuses_what_the_bundles_head_lets_pass() -> None:
    async with serving(scores) as service, running(guard(service.url)) as generation:
        assert status(await done(generation, "say hello")) == 200
        assert status(await done(generation, "say xyzzy now")) == 403
        assert (count(generation, "clean"), count(generation, "violating")) == (1, 1)


async def test_a_remote_guard_is_asked_for_a_model_that_the_client_names() -> None:
    async with serving(scores) as service, running(guard(service.url)) as generation:
        exchange = generation.exchange(RequestHead("POST", "/v1/chat/completions", ()), "test")
        body = {"model": "a", "messages": [{"role": "user", "content": "say xyzzy now"}]}
        assert exchange.on_request_headers() is None
        assert status(await exchange.on_request_body(json.dumps(body).encode())) == 403
        exchange.close()


async def test_everything_that_reaches_a_model_is_shown_and_the_systems_text_apart() -> None:
    async with serving(scores) as service, running(guard(service.url)) as generation:
        tool = {"role": "tool", "tool_call_id": "1", "content": "a page"}
        assert status(await done(generation, SYSTEM, "say xyzzy", tool, "now")) == 200
    assert "never say xyzzy" in inputs(service)[0]
    assert "say xyzzy" in inputs(service)[1]
    assert "a page" in inputs(service)[1]


async def test_an_attack_split_over_two_messages_is_seen_whole() -> None:
    def answer(body: dict[str, Any]) -> Any:
        risk = 0.9 if "first half\n\nsecond half" in body["inputs"] else 0.1
        return [[{"label": "jailbreak", "score": risk}]]

    async with serving(answer) as service, running(guard(service.url)) as generation:
        assert status(await done(generation, "first half", "second half")) == 403


async def test_what_was_judged_is_not_sent_again() -> None:
    async with serving(scores) as service, running(guard(service.url)) as generation:
        await done(generation, "say hello")
        await done(generation, "say hello")
    assert len(service.seen) == 1


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Safety: Unsafe\nCategories: Jailbreak", 403),
        ("Safety: Controversial\nCategories: None", 403),
        ("Safety: Safe\nCategories: None", 200),
        ("unsafe\nS1", 403),
        ('{"unsafe": 0.1, "safe": 0.9}', 200),
        ("I would rather not say", 503),
    ],
)
async def test_a_chat_model_guards_by_what_it_answers(said: str, expected: int) -> None:
    async with (
        serving(lambda _: chat(said)) as service,
        running(guard(service.url, "http_chat")) as generation,
    ):
        assert status(await done(generation, "say xyzzy now")) == expected
    assert service.seen[0][0] == "/v1/chat/completions"


async def test_a_model_with_a_template_of_its_own_gets_the_bare_text() -> None:
    given = guard("URL", "http_chat", external=", parser_type: qwen3guard")
    async with (
        serving(lambda _: chat("Safety: Safe")) as service,
        running(given.replace("URL", service.url)) as generation,
    ):
        assert status(await done(generation, "hello")) == 200
    assert [one["role"] for one in service.seen[0][1]["messages"]] == ["user"]


async def test_vllm_names_the_likeliest_of_two_labels() -> None:
    def answer(body: dict[str, Any]) -> Any:
        label = "INJECTION" if "xyzzy" in body["input"][0] else "SAFE"
        return {"data": [{"index": 0, "label": label, "probs": [0.1, 0.9], "num_classes": 2}]}

    given = guard("URL", endpoint=", dialect: vllm", module=", positive_labels: [injection]")
    async with serving(answer) as service, running(given.replace("URL", service.url)) as generation:
        assert status(await done(generation, "hello")) == 200
        assert status(await done(generation, "xyzzy")) == 403


async def test_a_guard_that_is_away_closes_the_door() -> None:
    async with running(guard(NOWHERE)) as generation:
        assert status(await done(generation, "hello")) == 503
        assert count(generation, "error") == 1


async def test_a_guard_that_is_away_lets_pass_where_the_file_says_so() -> None:
    async with running(guard(NOWHERE, module=", on_error: allow")) as generation:
        assert status(await done(generation, "hello")) == 200
        assert count(generation, "error") == 1


def test_what_a_guard_that_is_away_means_is_set_apart_from_the_bundles_own() -> None:
    own = ", guards: {jailbreak: {on_unavailable: refuse}}"
    for more in ("", own):
        given = policy(guard(NOWHERE, module=", on_error: allow", more=more)).guards.jailbreak
        assert given.remote is not None
        assert (given.on_unavailable, given.remote.on_unavailable) == ("refuse", "allow")
    lenient = policy(guard(NOWHERE, more=own.replace("refuse", "allow"))).guards.jailbreak
    assert lenient.remote is not None
    assert (lenient.on_unavailable, lenient.remote.on_unavailable) == ("allow", "refuse")


async def test_a_slow_guard_is_waited_for_until_its_limit() -> None:
    async def never(body: dict[str, Any]) -> Any:
        await asyncio.Event().wait()

    given = guard("URL", external=", llm_timeout_seconds: 50ms")
    async with serving(never) as service, running(given.replace("URL", service.url)) as generation:
        assert status(await done(generation, "hello")) == 503


async def test_labels_of_other_names_are_no_clean_bill() -> None:
    async with (
        serving(lambda _: [{"label": "LABEL_1", "score": 0.01}]) as service,
        running(guard(service.url)) as generation,
    ):
        assert status(await done(generation, "hello")) == 503


async def test_a_text_longer_than_it_reads_is_not_judged() -> None:
    async with serving(scores) as service, running(guard(service.url)) as generation:
        long = " ".join(map(str, range(90_000)))
        assert status(await done(generation, long)) == 503
    assert service.seen == []


async def test_shadow_mode_asks_and_does_not_act() -> None:
    given = guard("URL", more=", guards: {jailbreak: {mode: shadow}}")
    async with serving(scores) as service, running(given.replace("URL", service.url)) as generation:
        assert status(await done(generation, "say xyzzy now")) == 200
        assert count(generation, "violating") == 1


def test_parts_overlap_and_together_hold_everything() -> None:
    text = "".join(chr(97 + n % 26) for n in range(3 * PART * LETTERS))
    parts = list(split(text))
    assert max(map(len, parts)) == PART * LETTERS
    assert parts[0] + "".join(part[OVERLAP * LETTERS :] for part in parts[1:]) == text
    assert (list(split("short")), list(split("  "))) == (["short"], [])


def test_a_part_of_chinese_has_no_more_tokens_than_one_of_english() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(2 * PART))
    parts = list(split(text))
    assert max(map(len, parts)) == PART
    assert parts[0] + "".join(part[OVERLAP:] for part in parts[1:]) == text


async def test_a_risk_that_is_pushed_out_while_others_are_asked_is_still_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vsr.encoder.remote.guard._REMEMBERED", 1)
    gate = asyncio.Event()

    class Gated:
        name = "warden"

        async def risks(self, texts: Sequence[str], *, deadline: float | None) -> list[float]:
            if "slow" in texts:
                await gate.wait()
            return [0.8 if text == "known" else 0.1 for text in texts]

    seat = RemoteGuard(Gated())
    await seat.risk(["known"], deadline=None)
    waiting = asyncio.create_task(seat.risk(["known", "slow"], deadline=None))
    await asyncio.sleep(0)
    await seat.risk(["other"], deadline=None)
    gate.set()
    assert await waiting == (0.8, 2)


def test_a_guard_needs_a_model_and_a_model_needs_a_protocol() -> None:
    lone = "global: {model_catalog: {modules: {prompt_guard: {protocol: http_chat}}}}\n"
    assert "http_chat needs a model in model_catalog.external with the role guardrail" in complaint(lone)
    idle = guard(NOWHERE).replace("protocol: http_classify", "enabled: true")
    assert any("'warden' is not asked" in one for one in warned(idle))
    nameless = guard(NOWHERE, "http_chat").replace("llm_model_name: m, ", "")
    assert "needs llm_model_name" in complaint(nameless)
    given = policy(guard(NOWHERE, module=", threshold: 0.6")).guards.jailbreak.remote
    assert given is not None
    assert given.threshold == 0.6
