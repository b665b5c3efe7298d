"""The whole router, real from end to end: default bundle, built-in configuration, simulated back ends,
the gateway, the management API, and the real Envoy with the external processor behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import aiohttp
import pytest_asyncio

from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.load import DEFAULT_FILE, load_policy
from vsr.doors.envoy_process import EnvoyProcess
from vsr.doors.extproc import ExtProcServer
from vsr.doors.gateway import Gateway
from vsr.doors.management import management_app
from vsr.doors.server import HttpServer
from vsr.encoder.bundle import default_bundle_path
from vsr.generation import Generation, Live
from vsr.providers.client import Upstream
from vsr.simulator.server import SimulatorServer


@dataclass(frozen=True)
class Router:
    """Base URLs of the doors, and what stands behind them."""

    gateway: str
    envoy: str
    management: str
    generation: Generation
    simulator: SimulatorServer
    http: aiohttp.ClientSession


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def router() -> AsyncIterator[Router]:
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(SimulatorServer())
        policy = load_policy(DEFAULT_FILE, {"VSR_SIMULATOR_PORT": str(simulator.port)})
        policy = replace(policy, listeners=tuple(replace(one, port=0) for one in policy.listeners))
        generation = await Generation.start(policy, bundle=default_bundle_path())
        stack.push_async_callback(generation.aclose)
        live = Live(generation)
        upstream = Upstream()
        await upstream.start()
        stack.push_async_callback(upstream.aclose)
        gateway = HttpServer(Gateway(live, upstream, listener="default"), "127.0.0.1", 0)
        gateway_port = await gateway.start()
        stack.push_async_callback(gateway.stop, 0)
        management = HttpServer(management_app(live), "127.0.0.1", 0)
        management_port = await management.start()
        stack.push_async_callback(management.stop, 0)
        extproc = ExtProcServer(live, port=0)
        extproc_port = await extproc.start()
        stack.push_async_callback(extproc.stop, 0)
        envoy = EnvoyProcess(envoy_config(policy, EnvoyOptions(extproc_port=extproc_port)), concurrency=1)
        await envoy.start()
        stack.push_async_callback(envoy.stop, 0)
        yield Router(
            gateway=f"http://127.0.0.1:{gateway_port}",
            envoy=f"http://127.0.0.1:{(await envoy.ports())['default']}",
            management=f"http://127.0.0.1:{management_port}",
            generation=generation,
            simulator=simulator,
            http=await stack.enter_async_context(aiohttp.ClientSession()),
        )
