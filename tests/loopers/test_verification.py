"""A server that verifies answers: what it is asked, and what happens when it says nothing of use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.encoder.remote.service import Answer, Service, serving
from tests.loopers.world import Looping, looping
from vsr.simulator import Settings


@asynccontextmanager
async def verified(answer: Answer, **settings: Any) -> AsyncIterator[tuple[Looping, Service]]:
    """Two models, the small one asked first and its answer verified."""
    async with serving(answer) as service:
        confidence = {"confidence_method": "automix_entailment", "verifier_server_url": service.url}
        algorithm = {"type": "confidence", "confidence": confidence | settings}
        async with looping(algorithm, {"small": Settings(), "big": Settings()}) as world:
            yield world, service
            await world.generation.aids.aclose()


def sure(confidence: Any) -> Answer:
    return lambda body: {"confidence": confidence, "should_escalate": True, "total_samples": 5}


@pytest.mark.parametrize(("confidence", "asked"), [(0.7, 0), (0.69, 1)])
async def test_the_confidence_of_the_server_decides_whether_the_next_model_is_asked(
    confidence: float, asked: int
) -> None:
    async with verified(sure(confidence)) as (world, service):
        reply = await world.chat("how far is it?")
        assert world.calls() == {"small": 1, "big": asked}
        ((path, body, _),) = service.seen
        assert (path, body["question"], body["threshold"]) == ("/v1/verify", "how far is it?", 0.7)
        assert body["answer"].startswith("I am small")
        assert "x-vsr-looper-fallback" not in reply.headers


async def test_the_last_models_answer_is_not_verified() -> None:
    async with verified(sure(0.0)) as (world, service):
        await world.chat()
        assert len(service.seen) == 1
        assert world.calls() == {"small": 1, "big": 1}


async def stalled(body: Any) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("cancelled")


@pytest.mark.parametrize(
    ("answer", "settings", "reason"),
    [
        (lambda body: web.Response(status=502, text="private"), {}, "verifier_failed"),
        (lambda body: {"verdict": "fine"}, {}, "verifier_failed"),
        (sure(1.5), {}, "verifier_failed"),
        (sure(True), {}, "verifier_failed"),
        (
            lambda body: {"confidence": 1.0, "samples": ["x" * 500]},
            {"max_response_bytes": 300},
            "verifier_failed",
        ),
        (stalled, {"verifier_timeout_seconds": 0.05}, "verifier_timeout"),
    ],
)
async def test_an_answer_that_cannot_be_verified_is_not_accepted_and_the_reason_is_counted(
    answer: Answer, settings: dict[str, Any], reason: str
) -> None:
    async with verified(answer, **settings) as (world, _):
        reply = await world.chat()
        assert world.calls() == {"small": 1, "big": 1}
        assert (reply.status, reply.headers["x-vsr-looper-fallback"]) == (200, reason)
        counted = {"method": "confidence", "decision": "several", "reason": reason}
        assert world.sample("llm_model_selection_fallback_total", **counted) == 1


@pytest.mark.parametrize(
    ("answer", "settings", "status"),
    [
        (lambda body: web.Response(status=500), {}, 502),
        (stalled, {"verifier_timeout_seconds": 0.05}, 504),
    ],
)
async def test_a_run_that_shall_fail_fails_when_it_cannot_be_verified(
    answer: Answer, settings: dict[str, Any], status: int
) -> None:
    async with verified(answer, on_error="fail", **settings) as (world, _):
        reply = await world.chat("secret question")
        assert (reply.status, reply.error["code"]) == (
            status,
            "looper_failed" if status == 504 else "bad_backend",
        )
        assert b"secret" not in reply.body
        assert world.calls() == {"small": 1, "big": 0}


async def test_a_call_of_a_tool_holds_no_text_to_verify() -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    async with verified(sure(1.0)) as (world, service):
        await world.chat(tools=tools, tool_choice="required")
        assert not service.seen
        assert world.calls() == {"small": 1, "big": 1}
