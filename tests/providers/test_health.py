from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.doors.backend import Connection, Received, ScriptedBackend, response
from vsr.config.policy import Backend, HealthCheck, Model, Policy, Reliability
from vsr.providers.client import Upstream
from vsr.providers.health import HealthChecks

CHECK = HealthCheck("/health", interval=0.001, timeout=5)


@dataclass
class Patient:
    """Answers health checks as it is told to, and says how often it was asked since then."""

    status: str = "200 OK"
    asked: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def script(self, request: Received, connection: Connection) -> None:
        assert request.line.startswith("GET /health ")
        assert "authorization" not in dict(request.headers)
        async with self.changed:
            self.asked += 1
            self.changed.notify_all()
        await connection.send(response(b"", self.status))

    async def seen(self, times: int) -> None:
        before = self.asked
        async with self.changed, asyncio.timeout(20):
            await self.changed.wait_for(lambda: self.asked >= before + times)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    await upstream.start()
    yield upstream
    await upstream.aclose()


async def test_a_back_end_that_fails_its_checks_is_out_until_it_passes_them(upstream: Upstream) -> None:
    patient = Patient()
    async with ScriptedBackend(patient.script) as server:
        backend = Backend("m/1", "m", "http", "127.0.0.1", server.port)
        policy = Policy(
            models={"m": Model("m", "m", (backend,), reliability=Reliability(health_check=CHECK))}
        )
        task = asyncio.create_task(HealthChecks(upstream, lambda: policy).run())
        await patient.seen(4)
        assert not upstream.fleet.rests(backend)
        patient.status = "500 Internal Server Error"
        await patient.seen(6)
        assert upstream.fleet.rests(backend)
        patient.status = "200 OK"
        await patient.seen(6)
        assert not upstream.fleet.rests(backend)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_is_checked_follows_the_configuration(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsr.providers.health._LOOK", 0.001)
    before, after = Patient(), Patient()

    def policy(port: int) -> Policy:
        backend = Backend("m/1", "m", "http", "127.0.0.1", port)
        rules = Reliability(health_check=CHECK)
        return Policy(models={"m": Model("m", "m", (backend,), reliability=rules)})

    async with ScriptedBackend(before.script) as old, ScriptedBackend(after.script) as new:
        policies = [policy(old.port), policy(new.port)]
        task = asyncio.create_task(HealthChecks(upstream, partial(policies.__getitem__, 0)).run())
        await before.seen(2)
        del policies[0]
        await after.seen(2)
        asked = before.asked
        await after.seen(5)
        assert before.asked == asked
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
