"""Reloads while requests run, over real sockets: none is lost, and nothing of an old generation stays."""

# ruff: noqa: ASYNC110 # a counter without an event

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from pathlib import Path

from tests.doors.backend import Connection, Received, ScriptedBackend, answer, completion, response
from tests.doors.reloading import document, reloading
from tests.doors.wire import Wire

RELOADS = 50
CHAT = "/v1/chat/completions"


def question(stream: bool) -> bytes:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    return json.dumps(body).encode()


async def test_fifty_reloads_lose_no_request_and_keep_no_generation(tmp_path: Path) -> None:
    async with (
        ScriptedBackend(answer) as backend,
        reloading(tmp_path / "router.yaml", document("m", backend.port)) as router,
    ):
        done = asyncio.Event()
        served: set[str] = set()

        async def client(stream: bool) -> int:
            count = 0
            async with Wire(router.gateway_port) as wire:
                while not done.is_set():
                    reply = await wire.ask("POST", CHAT, question(stream))
                    assert reply.status == 200, reply.body
                    assert not stream or reply.body.endswith(b"data: [DONE]\n\n")
                    served.add(reply.headers["x-vsr-selected-model"])
                    count += 1
            return count

        clients = [asyncio.create_task(client(number % 2 == 0)) for number in range(3)]
        seen = []
        for number in range(RELOADS):
            seen.append(weakref.ref(router.live.current))
            await router.reloader.put(document(f"m{number}", backend.port))
        done.set()
        counts = await asyncio.gather(*clients)
        assert min(counts) > 0
        assert len(served) > 1
        assert router.live.current.number == RELOADS + 1
        async with asyncio.timeout(10):
            while router.live.retiring:
                await asyncio.sleep(0.002)
        gc.collect()
        assert [one for one in seen if one() is not None] == []


async def test_a_request_goes_to_the_model_it_was_decided_for(tmp_path: Path) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def slow(request: Received, connection: Connection) -> None:
        arrived.set()
        await go.wait()
        await connection.send(response(completion()))

    async with (
        ScriptedBackend(slow) as backend,
        reloading(tmp_path / "router.yaml", document("before", backend.port)) as router,
    ):
        async with Wire(router.gateway_port) as wire:
            await wire.send(_request())
            await arrived.wait()
            await router.reloader.put(document("after", backend.port))
            go.set()
            reply = await wire.reply()
        assert (reply.status, reply.headers["x-vsr-selected-model"]) == (200, "before")
        assert backend.requests[0].json["model"] == "before"


def _request() -> bytes:
    body = question(False)
    return f"POST {CHAT} HTTP/1.1\r\nhost: t\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
