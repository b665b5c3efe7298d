"""The measuring client, a process of its own: reads a job on stdin, writes what it measured to stdout.

    {"targets": {"direct": 9001, "gateway": 8801}, "prompts": ["..."], "clients": 1, "stream": false}

With one client it sends each prompt to every target in turn over a blocking socket, so that all see
the machine in the same state. With several it keeps that many connections busy, target by target.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
_CHUNK = 256 * 1024
_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds to the first byte of the body and to the end of the answer."""

    first: float
    whole: float
    status: int


def request(prompt: str, stream: bool) -> bytes:
    body = json.dumps(
        {"model": "auto", "stream": stream, "messages": [{"role": "user", "content": prompt}]},
        ensure_ascii=False,
    ).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Answer:
    """One HTTP/1.1 answer as it arrives: `feed` returns True when it is whole."""

    def __init__(self) -> None:
        self.status = 0
        self.has_body = False
        self._data = bytearray()
        self._end = -1
        self._length = -1

    def feed(self, data: bytes) -> bool:
        self._data += data
        if self._end < 0 and not self._read_head():
            return False
        self.has_body = len(self._data) > self._end
        if self._length >= 0:
            return len(self._data) - self._end >= self._length
        return self._data.endswith(b"0\r\n\r\n")

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._data[:end]).lower()
        self._end = end + 4
        self.status = int(head[9:12])
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._length = int(line.partition(b":")[2])
        return True


def one_after_the_other(job: dict[str, Any]) -> dict[str, list[Measured]]:
    connections = {name: _connect(port) for name, port in job["targets"].items()}
    measured: dict[str, list[Measured]] = {name: [] for name in connections}
    for prompt in job["prompts"]:
        data = request(prompt, job["stream"])
        for name, connection in connections.items():
            measured[name].append(_ask(connection, data))
    for connection in connections.values():
        connection.close()
    return measured


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=_TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _ask(connection: socket.socket, data: bytes) -> Measured:
    answer = Answer()
    first = 0.0
    started = time.perf_counter()
    connection.sendall(data)
    while True:
        received = connection.recv(_CHUNK)
        if not received:
            raise ConnectionError("the connection was closed in the middle of an answer")
        whole = answer.feed(received)
        first = first or (time.perf_counter() - started if answer.has_body else 0.0)
        if whole:
            return Measured(first, time.perf_counter() - started, answer.status)


async def many_at_once(job: dict[str, Any]) -> dict[str, tuple[float, list[Measured]]]:
    """Seconds for all prompts, and each one's measure, for each target."""
    results = {}
    for name, port in job["targets"].items():
        waiting = [request(prompt, job["stream"]) for prompt in reversed(job["prompts"])]
        measured: list[Measured] = []
        connections = [await asyncio.open_connection(HOST, port, limit=2**24) for _ in range(job["clients"])]
        started = time.perf_counter()
        await asyncio.gather(*(_keep_busy(*pair, waiting, measured) for pair in connections))
        results[name] = (time.perf_counter() - started, measured)
        for _, writer in connections:
            writer.close()
    return results


async def _keep_busy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: list[bytes], measured: list[Measured]
) -> None:
    while waiting:
        data = waiting.pop()
        answer = Answer()
        first = 0.0
        started = time.perf_counter()
        writer.write(data)
        while True:
            received = await asyncio.wait_for(reader.read(_CHUNK), _TIMEOUT)
            if not received:
                raise ConnectionError("the connection was closed in the middle of an answer")
            whole = answer.feed(received)
            first = first or (time.perf_counter() - started if answer.has_body else 0.0)
            if whole:
                break
        measured.append(Measured(first, time.perf_counter() - started, answer.status))


def main() -> None:
    job = json.load(sys.stdin)
    if job["clients"] == 1:
        results = {
            name: (sum(one.whole for one in measured), measured)
            for name, measured in one_after_the_other(job).items()
        }
    else:
        results = asyncio.run(many_at_once(job))
    answer = {
        name: {
            "seconds": seconds,
            "first": [one.first for one in measured],
            "whole": [one.whole for one in measured],
            "failures": sum(one.status != 200 for one in measured),
        }
        for name, (seconds, measured) in results.items()
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
