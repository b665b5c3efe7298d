"""TLS from the real Envoy to its back ends: by name, verified, HTTP/2 where the server has it.

The secure server is another Envoy, since Python's servers at hand speak no HTTP/2.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.doors.running import generation_of
from tests.envoy.test_failover import ASK, NAME, policy_for
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.envoy_errors import EXTENSIONS, Object
from vsr.config.envoy_values import address
from vsr.config.policy import Backend
from vsr.doors.envoy_process import EnvoyProcess
from vsr.doors.extproc import ExtProcServer
from vsr.generation import Live

ANSWER = '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """For `localhost`, signed by itself."""
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


def secure_server(key: Path, cert: Path, protocols: tuple[str, ...]) -> Object:
    """An Envoy that answers everything with a completion, and tells what it was asked in and under which
    name."""
    tls: Object = {
        "@type": f"{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": list(protocols),
            "tls_certificates": [
                {"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}
            ],
        },
    }
    told = {
        "x-protocol": "%PROTOCOL%",
        "x-host": "%REQ(:AUTHORITY)%",
        "x-sni": "%REQUESTED_SERVER_NAME%",
        "content-type": "application/json",
    }
    answer: Object = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": ANSWER}},
        "response_headers_to_add": [
            {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for name, value in told.items()
        ],
    }
    manager: Object = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "secure",
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"},
            }
        ],
    }
    chain: Object = {
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
    }
    inspector: Object = {
        "name": "envoy.filters.listener.tls_inspector",  # which sees the name that was asked for
        "typed_config": {"@type": f"{EXTENSIONS}.filters.listener.tls_inspector.v3.TlsInspector"},
    }
    listener: Object = {
        "name": "secure",
        "address": address("127.0.0.1", 0),
        "listener_filters": [inspector],
        "filter_chains": [chain],
    }
    return {"static_resources": {"listeners": [listener]}}


@asynccontextmanager
async def running(config: Object) -> AsyncIterator[int]:
    envoy = EnvoyProcess(config, concurrency=1)
    await envoy.start()
    try:
        (port,) = (await envoy.ports()).values()
        yield port
    finally:
        await envoy.stop(0)


async def asked(ca_file: Path, *backends: Backend) -> aiohttp.ClientResponse:
    policy = policy_for(*backends)
    processor = ExtProcServer(Live(generation_of(policy)), port=0)
    options = EnvoyOptions(extproc_port=await processor.start(), ca_file=str(ca_file))
    try:
        async with running(envoy_config(policy, options)) as port, aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            async with client.post(url, json=ASK) as answer:
                await answer.read()
                return answer
    finally:
        await processor.stop(0)


def secure(name: str, host: str, port: int) -> Backend:
    return Backend(f"{NAME}/{name}", NAME, "https", host, port)


@pytest.mark.parametrize(
    ("protocols", "spoken"), [(("h2", "http/1.1"), "HTTP/2"), (("http/1.1",), "HTTP/1.1"), ((), "HTTP/1.1")]
)
async def test_the_server_chooses_the_protocol(
    certificate: tuple[Path, Path], protocols: tuple[str, ...], spoken: str
) -> None:
    key, cert = certificate
    async with running(secure_server(key, cert, protocols)) as port:
        answer = await asked(cert, secure("one", "localhost", port))
    assert answer.status == 200
    assert answer.headers["x-protocol"] == spoken
    assert answer.headers["x-sni"] == "localhost"


async def test_servers_of_a_pool_are_asked_and_verified_by_their_own_names(
    certificate: tuple[Path, Path],
) -> None:
    """The certificate is for `localhost`, so the other one is never trusted."""
    key, cert = certificate
    async with running(secure_server(key, cert, ("h2",))) as port:
        answer = await asked(cert, secure("good", "localhost", port), secure("bad", "127.0.0.1", port))
    assert answer.status == 200
    assert answer.headers["x-host"] == f"localhost:{port}"


async def test_a_server_with_another_name_in_its_certificate_is_not_trusted(
    certificate: tuple[Path, Path],
) -> None:
    key, cert = certificate
    async with running(secure_server(key, cert, ("h2",))) as port:
        assert (await asked(cert, secure("bad", "127.0.0.1", port))).status == 502
