"""A small HTTP client for these tests: aiohttp with the base URL and JSON bodies filled in."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from vsr.simulator import SimulatorServer

PATH = "/v1/chat/completions"


def question(text: str = "What is a prime number?", **fields: Any) -> dict[str, Any]:
    return {"model": "math-7b", "messages": [{"role": "user", "content": text}], **fields}


async def ask(
    server: SimulatorServer, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Status and parsed body of one chat completion."""
    status, raw = await send(server, body, headers)
    return status, json.loads(raw)


async def send(
    server: SimulatorServer, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{server.address}{PATH}", data=data, headers=headers) as response,
    ):
        return response.status, await response.read()


async def stream(server: SimulatorServer, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream, which must end with [DONE]."""
    _, raw = await send(server, {**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in raw.decode().split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]
