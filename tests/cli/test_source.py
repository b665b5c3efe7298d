from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cli.command import free_port
from tests.doors.backend import Connection, Received, ScriptedBackend, response
from vsr.cli import ports, source
from vsr.cli.serve_options import ServeOptions
from vsr.errors import ConfigError, StartError
from vsr.simulator import Fault, Settings, SimulatorServer


async def listed(server: SimulatorServer, **env: str) -> tuple[str, ...]:
    base_url = {"OPENAI_BASE_URL": f"http://{server.address}/v1"}
    return await asyncio.to_thread(source.list_models, base_url | env)


async def test_the_models_of_the_environments_server_are_listed_with_its_key() -> None:
    async with SimulatorServer(Settings(models=("a", "b"), api_key="k")) as server:
        assert await listed(server, OPENAI_API_KEY="k") == ("a", "b")
        with pytest.raises(ConfigError, match="is OPENAI_API_KEY right"):
            await listed(server)


async def test_a_server_without_models_is_an_error() -> None:
    async with SimulatorServer(Settings(fault=Fault("html"))) as server:
        with pytest.raises(ConfigError, match="lists no models"):
            await listed(server)


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(StartError, match=r"OPENAI_BASE_URL: its /models cannot be reached"):
        source.list_models({"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"})


async def test_a_server_that_fails_is_not_blamed_on_the_url() -> None:
    async def script(request: Received, connection: Connection) -> None:
        await connection.send(response(b"{}", "503 Service Unavailable"))

    async with ScriptedBackend(script) as server:
        base_url = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1"}
        with pytest.raises(StartError, match="OPENAI_BASE_URL: its /models answered with status 503"):
            await asyncio.to_thread(source.list_models, base_url)


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="must begin with http"):
        source.list_models({"OPENAI_BASE_URL": "file:///etc"})


def test_its_first_model_is_the_default_and_all_guards_are_on() -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "k"}
    options = ServeOptions(models=("b", "a"))
    policy = source.load(options, env)
    assert policy.default_model == "b"
    assert list(policy.models) == ["b", "a"]
    assert (policy.guards.jailbreak.mode, policy.guards.pii.mode) == ("enforce", "enforce")


def test_a_file_comes_before_the_environment() -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    assert source.uses_environment(ServeOptions(), env)
    assert not source.uses_environment(ServeOptions(config=Path("x")), env)
    assert not source.uses_environment(ServeOptions(), {})


def test_flags_move_the_listener_and_the_management_api() -> None:
    policy = source.load(ServeOptions(host="::1", port=7001, management_port=7002), {})
    assert (policy.listeners[0].address, policy.listeners[0].port) == ("::1", 7001)
    assert policy.management.port == 7002


def test_a_host_beyond_loopback_without_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="api_keys"):
        source.load(ServeOptions(host="0.0.0.0"), {})


def test_metrics_and_the_external_processor_are_wanted_where_the_flags_say() -> None:
    options = ServeOptions(extproc=True, extproc_host="0.0.0.0", metrics_host="::1")
    wanted = ports.wanted(source.load(options, {}), options)
    assert wanted["external processor"] == ("0.0.0.0", 50051)
    assert wanted["metrics"] == ("::1", 9190)


def test_options_survive_the_way_to_a_worker() -> None:
    options = ServeOptions(config=Path("a b"), models=("x",), host="h", workers=3, envoy=True)
    assert ServeOptions.from_json(options.to_json()) == options
