"""`vsr serve` as a user runs it: a process with sockets and signals."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.cli.command import free_port, running
from tests.cli.router import Router, serving
from tests.scripted import make_model
from vsr.cli.banner import announce
from vsr.cli.serve_options import ServeOptions
from vsr.config.policy import Listener, Policy
from vsr.simulator import Settings, SimulatorServer

STREAM = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], "stream": True}


async def stopped(router: Router) -> int:
    router.process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(router.process.communicate(), 30)
    assert b"Traceback" not in err, err.decode()
    return router.process.returncode or 0


async def try_what_it_prints(router: Router) -> None:
    commands = [line.strip() for line in router.banner.splitlines() if "curl" in line]
    assert len(commands) == 2
    for command in commands if shutil.which("curl") else []:
        shell = await asyncio.create_subprocess_shell(f"{command} --silent", stdout=asyncio.subprocess.PIPE)
        out, _ = await shell.communicate()
        assert out.startswith(b"HTTP/1.1 200"), out


async def test_without_a_file_it_serves_simulated_models_and_stops_on_sigterm() -> None:
    async with serving() as router:
        status, answer = await router.ask("hello")
        assert status == 200
        assert f"I am {answer['model']}" in answer["choices"][0]["message"]["content"]
        assert '"ready"' in await router.get(router.management_port, "/readyz")
        assert "vsr_requests_total" in await router.get(router.metrics_port, "/metrics")
        await try_what_it_prints(router)
        assert await stopped(router) == 0


def test_addresses_and_names_in_brackets_are_announced_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    listener = Listener("one", address="fd00::5", port=8801)
    announce(
        Policy(listeners=(listener,), models={"[/x]": make_model("[/x]")}, inert=("a[b]",)), ServeOptions()
    )
    told = capsys.readouterr().out
    assert "http://[fd00::5]:8801/v1" in told
    assert "[/x]" in told
    assert "without effect yet: a[b]" in told


@pytest.mark.parametrize(
    ("names", "asked"), [(("vsr/auto", "auto"), "auto"), (("router", "route"), "router"), ((), "auto")]
)
def test_the_request_to_try_asks_for_a_name_that_leaves_the_choice_to_the_router(
    capsys: pytest.CaptureFixture[str], names: tuple[str, ...], asked: str
) -> None:
    announce(Policy(auto_names=names), ServeOptions())
    assert f'"model": "{asked}"' in capsys.readouterr().out


async def test_a_running_stream_ends_whole_after_sigterm() -> None:
    async with serving() as router, aiohttp.ClientSession() as session:
        headers = {"x-sim-tokens-per-second": "20"}
        async with session.post(
            f"{router.url}/v1/chat/completions", json=STREAM, headers=headers
        ) as response:
            first = await response.content.readany()
            router.process.send_signal(signal.SIGTERM)
            rest = await response.content.read()
        assert (first + rest).endswith(b"data: [DONE]\n\n")
        assert rest.count(b"data: ") > 3
        assert await asyncio.wait_for(router.process.wait(), 30) == 0


async def test_workers_share_the_ports_and_their_metrics_are_added_up() -> None:
    async with serving("--workers", "2") as router:
        for number in range(20):
            assert (await router.ask(f"question {number}"))[0] == 200
        metrics = await router.get(router.metrics_port, "/metrics")
        counted = [line for line in metrics.splitlines() if line.startswith("vsr_requests_total{")]
        assert sum(float(line.rpartition(" ")[2]) for line in counted) == 20
        assert await stopped(router) == 0


async def test_behind_envoy_the_same_request_is_answered_wherever_processor_and_metrics_listen() -> None:
    async with serving("--envoy", "--extproc-host", "::1", "--metrics-host", "::1") as router:
        assert "Envoy" in router.banner
        metrics = f"http://[::1]:{router.metrics_port}/metrics"
        assert metrics in router.banner
        async with aiohttp.ClientSession() as session, session.get(metrics) as response:
            assert response.status == 200
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{router.url}/v1/chat/completions", json={**STREAM, "stream": False}) as response,
        ):
            assert response.status == 200
            assert "x-vsr-selected-model" in response.headers
        assert await stopped(router) == 0


async def test_the_models_of_openai_base_url_are_served_without_a_file() -> None:
    async with SimulatorServer(Settings(models=("first", "second"), api_key="k")) as server:
        env = {"OPENAI_BASE_URL": f"http://{server.address}/v1", "OPENAI_API_KEY": "k"}
        async with serving(**env) as router:
            status, answer = await router.ask("hello")
            assert (status, answer["model"]) == (200, "first")
            assert server.requests[-1].headers["authorization"] == "Bearer k"


async def test_a_port_in_use_is_one_sentence_and_exit_code_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        async with running("serve", "--port", port, VSR_SIMULATOR_PORT=str(free_port())) as process:
            out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert out == b""
    assert f"127.0.0.1:{port}".encode() in err
    assert b"Traceback" not in err


async def test_a_wrong_file_is_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("version: v0.3\nprovders: {}\n")
    async with running("serve", "--config", str(file)) as process:
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"did you mean 'providers'" in err


async def test_what_has_no_effect_is_said_at_the_start(tmp_path: Path) -> None:
    flat = Path(__file__).parents[2] / "config" / "flat-v0.yaml"
    async with serving("--config", str(flat), "--simulate") as router:
        assert "without effect" in router.banner
