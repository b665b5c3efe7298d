"""Several servers of one model behind the real Envoy: what one cannot serve another does, and one that
keeps failing is left alone. The gateway does the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.doors.running import generation_of
from tests.envoy.conftest import closed_port
from tests.scripted import make_policy
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.envoy_destinations import destinations
from vsr.config.policy import Backend, Listener, Model, Policy, Reliability, Timeouts
from vsr.content import Secret
from vsr.doors.envoy_process import EnvoyProcess
from vsr.doors.extproc import ExtProcServer
from vsr.doors.gateway import Gateway
from vsr.doors.server import HttpServer
from vsr.generation import Live
from vsr.providers.client import Upstream
from vsr.simulator import Settings, SimulatorServer
from vsr.simulator.settings import Fault

NAME = "general-8b"
ASK = {"model": NAME, "messages": [{"role": "user", "content": "hello"}]}
DOORS = pytest.mark.parametrize("door", ["envoy", "gateway"])


def server(name: str, port: int, **fields: Any) -> Backend:
    return Backend(f"{NAME}/{name}", NAME, "http", "127.0.0.1", port, **fields)


def policy_for(*backends: Backend, **reliability: Any) -> Policy:
    model = Model(NAME, NAME, backends, reliability=Reliability(**reliability))

    def settle(fields: dict[str, Any]) -> None:
        fields["listeners"] = (Listener("main", port=0, timeout=30),)
        fields["models"] = fields["models"] | {NAME: model}
        fields["timeouts"] = Timeouts(connect=1, first_token=5, idle=5)

    return make_policy(change=settle)


@dataclass
class Front:
    url: str
    client: aiohttp.ClientSession
    upstream: Upstream

    async def ask(self, **headers: str) -> int:
        async with self.client.post(self.url, json=ASK, headers=headers) as answer:
            await answer.read()
        return answer.status


@asynccontextmanager
async def served(
    door: str, policy: Policy, known: Policy | None = None, allowed: tuple[str, ...] = ()
) -> AsyncIterator[Front]:
    """known: what Envoy has been told, if that is not what the router decides by."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        live, upstream = Live(generation_of(policy)), Upstream()
        upstream.fleet.metrics = live.current.metrics
        if door == "gateway":
            await upstream.start()
            stack.push_async_callback(upstream.aclose)
            http = HttpServer(Gateway(live, upstream, listener="main"), "127.0.0.1", 0)
            port = await http.start()
            stack.push_async_callback(http.stop)
        else:
            processor = ExtProcServer(live, port=0)
            options = EnvoyOptions(extproc_port=await processor.start(), destinations=destinations(allowed))
            stack.push_async_callback(processor.stop, 0)
            envoy = EnvoyProcess(envoy_config(known or policy, options), concurrency=1)
            await envoy.start()
            stack.push_async_callback(envoy.stop, 0)
            (port,) = (await envoy.ports()).values()
        yield Front(f"http://127.0.0.1:{port}/v1/chat/completions", client, upstream)


def failing(status: int = 503) -> SimulatorServer:
    return SimulatorServer(Settings(fault=Fault("status", status)))


@DOORS
async def test_what_one_server_refuses_another_serves(door: str) -> None:
    async with SimulatorServer() as well:
        policy = policy_for(server("gone", closed_port()), server("well", well.port))
        async with served(door, policy) as front:
            assert [await front.ask() for _ in range(6)] == [200] * 6


@DOORS
async def test_a_server_that_keeps_failing_is_left_alone(door: str) -> None:
    async with failing() as sick, SimulatorServer() as well:
        policy = policy_for(server("sick", sick.port), server("well", well.port), consecutive_5xx=2)
        async with served(door, policy) as front:
            assert [await front.ask() for _ in range(20)] == [200] * 20
    assert len(sick.requests) == 2
    assert len(well.requests) == 20


@DOORS
async def test_an_error_that_may_have_cost_something_is_passed_on(door: str) -> None:
    async with failing(500) as sick, SimulatorServer() as well:
        policy = policy_for(server("sick", sick.port, weight=1_000_000), server("well", well.port))
        async with served(door, policy) as front:
            assert await front.ask() == 500
    assert (len(sick.requests), len(well.requests)) == (1, 0)


@DOORS
async def test_it_is_repeated_if_the_configuration_says_so(door: str) -> None:
    async with failing(500) as sick:
        policy = policy_for(server("sick", sick.port), retry_count=2, retry_on=("5xx",))
        async with served(door, policy) as front:
            assert await front.ask() == 500
    assert len(sick.requests) == 3


@DOORS
async def test_if_all_servers_rest_they_are_asked_all_the_same(door: str) -> None:
    async with failing() as one, failing() as two:
        policy = policy_for(server("one", one.port), server("two", two.port), consecutive_5xx=1)
        async with served(door, policy) as front:
            assert [await front.ask() for _ in range(4)] == [503] * 4
    assert len(one.requests) + len(two.requests) == 8


@DOORS
async def test_each_server_gets_its_own_path_key_and_fields(door: str) -> None:
    async with SimulatorServer() as first, SimulatorServer() as second:
        azure: dict[str, Any] = {
            "chat_path": "/v1/chat/completions?api-version=2024-10-21",
            "auth_header": "api-key",
            "auth_prefix": "",
            "api_key": Secret("azure-key"),
        }
        openai: dict[str, Any] = {
            "api_key": Secret("openai-key"),
            "extra_headers": (("openai-organization", "org-1"),),
        }
        policy = policy_for(server("azure", first.port, **azure), server("openai", second.port, **openai))
        async with served(door, policy) as front:
            while not (first.requests and second.requests):
                assert await front.ask(authorization="Bearer of-the-client") == 200
    assert first.requests[0].path.endswith("?api-version=2024-10-21")
    assert first.requests[0].headers["api-key"] == "azure-key"
    assert "authorization" not in first.requests[0].headers
    assert second.requests[0].headers["authorization"] == "Bearer openai-key"
    assert second.requests[0].headers["openai-organization"] == "org-1"
    assert "api-key" not in second.requests[0].headers


async def test_envoy_follows_to_a_server_it_was_not_told_of_only_if_that_is_allowed() -> None:
    async with SimulatorServer() as new:
        before, after = policy_for(server("old", closed_port())), policy_for(server("new", new.port))
        async with served("envoy", after, before) as front:
            assert await front.ask() == 503
        async with served("envoy", after, before, (f"127.0.0.0/24:{new.port}",)) as front:
            assert await front.ask() == 200
            forged = {"x-selected-model": NAME, "x-gateway-destination-endpoint": "127.0.0.9:1"}
            assert await front.ask(**forged) == 200
    assert len(new.requests) == 2


async def test_the_gateway_counts_failures_retries_and_rests() -> None:
    async with failing() as sick, SimulatorServer() as well:
        policy = policy_for(
            server("sick", sick.port, weight=1_000_000), server("well", well.port), consecutive_5xx=1
        )
        async with served("gateway", policy) as front:
            assert await front.ask() == 200
            metrics = front.upstream.fleet.metrics
    assert metrics is not None
    backend = {"backend": f"{NAME}/sick"}
    values = {
        "vsr_backend_failures_total": backend | {"reason": "status"},
        "vsr_backend_retries_total": {"model": NAME, "reason": "status"},
        "vsr_backend_rests_total": backend,
    }
    assert [metrics.registry.get_sample_value(name, labels) for name, labels in values.items()] == [1, 1, 1]
    assert metrics.registry.get_sample_value("vsr_backend_available", backend) == 0


async def test_a_server_that_rested_is_tried_again_by_the_gateway() -> None:
    async with failing() as sick, SimulatorServer() as well:
        policy = policy_for(
            *(server("sick", sick.port), server("well", well.port)),
            consecutive_5xx=1,
            base_ejection_time=0.05,
        )
        async with served("gateway", policy) as front, asyncio.timeout(20):
            while len(sick.requests) < 3:
                assert await front.ask() == 200
