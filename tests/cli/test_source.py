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

MINIMAL = Path(__file__).parents[2] / "config" / "minimal.yaml"


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


async def test_a_redirect_does_not_get_the_key() -> None:
    async def script(request: Received, connection: Connection) -> None:
        await connection.send(response(b"{}", "307 Temporary Redirect", location="/elsewhere"))

    async with ScriptedBackend(script) as server:
        env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1", "OPENAI_API_KEY": "k"}
        with pytest.raises(ConfigError, match="its /models answered with status 307"):
            await asyncio.to_thread(source.list_models, env)
        assert [request.line for request in server.requests] == ["GET /v1/models HTTP/1.1"]


async def test_a_proxy_of_the_environment_is_not_asked_and_a_line_break_behind_the_key_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with SimulatorServer(Settings(models=("a",), api_key="k")) as server:
        assert await listed(server, OPENAI_API_KEY="k\n") == ("a",)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://user:pa55@127.0.0.1/v1", "must hold no user name and no password"),
        ("http://user:pa55/x@127.0.0.1/v1", "must look like"),
        ("http://[::1", "must look like"),
        ("http://127.0.0.1/v1 pa55", "must look like"),
    ],
)
def test_a_wrong_url_is_one_sentence_that_does_not_repeat_it(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=rf"^OPENAI_BASE_URL: {complaint}") as caught:
        source.list_models({"OPENAI_BASE_URL": url})
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("key", ["“k”", "k\nx"])
def test_a_key_that_no_header_can_hold_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=r"^OPENAI_API_KEY: holds line breaks, or characters"):
        source.list_models({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": key})


def test_the_line_break_behind_a_key_is_not_sent_to_the_back_end_either() -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "k\n"}
    backend = source.load(ServeOptions(models=("m",)), env).models["m"].backends[0]
    assert backend.api_key is not None
    assert backend.api_key.reveal() == "k"


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


def test_a_worker_that_replaces_another_begins_with_what_its_router_serves(tmp_path: Path) -> None:
    file, last_good = tmp_path / "router.yaml", tmp_path / "last-good.yaml"
    options = ServeOptions(config=file, last_good=last_good, management_port=7002)
    file.write_text(MINIMAL.read_text())
    assert source.given(options, {}).policy.default_model == "general"
    last_good.write_text(file.read_text())
    file.write_text(file.read_text().replace("default_model: general", "default_model: mathematician"))
    given = source.given(options, {})
    assert (given.text, given.policy.default_model) == (last_good.read_text(), "general")
    assert given.policy.management.port == 7002
    assert given.source.file is not None
    assert given.source.file.path == file


def test_options_survive_the_way_to_a_worker() -> None:
    options = ServeOptions(config=Path("a b"), models=("x",), host="h", workers=3, envoy=True)
    assert ServeOptions.from_json(options.to_json()) == options
