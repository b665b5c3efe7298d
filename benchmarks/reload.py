"""Soak test of reloading: `python -m benchmarks.reload [--reloads 1000] [--clients 4]`.

Starts a simulated model and a router as `vsr serve` does, keeps clients asking plain and streamed
questions, of which every other goes to a panel of models, and rewrites the configuration file, each time
with other names of models, signals and decisions, another example to compare with, and a SIGHUP. Prints
requests served and lost, and the router's memory after each tenth of the reloads. Fails (exit code 1) if
a request is lost, a reload is missed, or memory still grows over the second half.
"""

# ruff: noqa: ASYNC110, ASYNC240 # small files, and states of others that have no event

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.client import Answer
from benchmarks.servers import free_port, router, simulator

MODEL = "general-8b"
ROUTING = """\
    keywords: [{name: hard-N, operator: OR, keywords: [prove]}]
    embeddings: [{name: near-N, threshold: 0.5, candidates: [the capital of a country, example number N]}]
  decisions:
    - name: panel-N
      priority: 2
      rules: {type: keyword, name: hard-N}
      modelRefs: [{model: model-N}]
      algorithm: {type: fusion, fusion: {model: model-N, analysis_mode: one_call}}
    - {name: near-N, priority: 1, rules: {type: embedding, name: near-N}, modelRefs: [{model: model-N}]}
"""
QUESTIONS = ("What is the capital of France?", "Prove that the square root of 2 is irrational.")
GROWTH = 24 * 1024 * 1024
"""Bytes by which memory may still grow over the second half: what allocators keep, not what leaks."""


def document(text: str, number: int) -> str:
    """The configuration `text` as the reload of this number shall find it."""
    head, rest = text.split("# Random", 1)
    routing = re.sub(r"\bN\b", str(number), ROUTING)
    return head.replace(MODEL, f"model-{number}") + routing + "# Random" + rest


def body(question: str, stream: bool) -> bytes:
    message = {"role": "user", "content": question}
    payload = json.dumps({"model": "auto", "messages": [message], "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: b\r\ncontent-length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


async def client(port: int, stream: bool, done: asyncio.Event, counts: dict[str, int]) -> None:
    requests = itertools.cycle([body(question, stream) for question in QUESTIONS])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not done.is_set():
        writer.write(next(requests))
        answer = Answer()
        whole = False
        while not whole:
            data = await asyncio.wait_for(reader.read(65536), 60)
            if not data:
                break
            whole = answer.feed(data)
        if whole and answer.status == 200:
            counts["served"] += 1
        else:
            counts["lost"] += 1
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def active_hash(port: int) -> tuple[str, int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /config/hash HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    answer = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
    writer.close()
    return str(answer["hash"]), int(answer["generation"])


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


async def soak(reloads: int, clients: int) -> int:
    management = free_port()
    flags = ("--management-port", str(management), "--log-level", "error")
    with (
        tempfile.TemporaryDirectory() as directory,
        simulator() as backend,
        router(backend, Path(directory), *flags) as (port, process, _),
    ):
        file = next(Path(directory).glob("router-*.yaml"))
        text = file.read_text()
        done, counts = asyncio.Event(), {"served": 0, "lost": 0}
        asking = [asyncio.create_task(client(port, n % 2 == 0, done, counts)) for n in range(clients)]
        memory: list[int] = []
        started = time.perf_counter()
        for number in range(1, reloads + 1):
            other = file.with_name("next")
            other.write_text(document(text, number))
            other.replace(file)
            process.send_signal(signal.SIGHUP)
            async with asyncio.timeout(60):
                while (found := await active_hash(management))[1] <= number:
                    await asyncio.sleep(0.005)
            if number % max(1, reloads // 10) == 0:
                memory.append(resident(process.pid))
                print(f"{number:5} reloads, generation {found[1]}, {memory[-1] / 2**20:.0f} MiB", flush=True)
        seconds = time.perf_counter() - started
        done.set()
        await asyncio.gather(*asking)
    growth = memory[-1] - memory[len(memory) // 2 - 1] if len(memory) > 1 else 0
    print(
        f"{reloads} reloads in {seconds:.0f} s: {counts['served']} requests served, {counts['lost']} lost; "
        f"memory grew by {growth / 2**20:+.1f} MiB over the second half"
    )
    return int(counts["lost"] > 0 or growth > GROWTH)


def main() -> None:
    parser = argparse.ArgumentParser(description="Reload a router under load.")
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    sys.exit(asyncio.run(soak(options.reloads, options.clients)))


if __name__ == "__main__":
    main()
