"""What reading costs, without doors: `make bench-encoder`, or `python -m benchmarks.encoder [--quick]`.

The encoder's public API against bare OpenVINO on the same graph, against the original's way (three
ModernBERT-base passes in torch, see `benchmarks.original`), over long texts, and for short requests
beside long ones; all in one process and one run. Every prompt is distinct, so the memo is cold.
Writes JSON and a table to benchmarks/results.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import encoder_report, machine, original
from benchmarks.bare import BareGraph
from benchmarks.prompts import PromptMaker
from benchmarks.report import percentile
from vsr.content import Content
from vsr.encoder.bundle import Bundle, default_bundle_path, load_bundle
from vsr.encoder.encoder import Encoder
from vsr.facts import Leaf, Passage

RESULTS = Path(__file__).parent / "results"
SEED = 20_26
CLIENTS = 16
DEADLINE = 60.0
"""Seconds for one text: a slow machine is measured too."""
FIT_FROM = 512
"""Growth is fitted from this length on: shorter texts are one window or two."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often, by number of tokens: texts one by one, texts of a round with CLIENTS clients, passes of
    the original's models. rounds: of throughput; short: texts beside long ones."""

    latency: dict[int, int]
    throughput: dict[int, int]
    original: dict[int, int]
    rounds: int = 5
    short: int = 400


FULL = Plan(
    {32: 400, 128: 300, 512: 200, 2048: 60, 8192: 30, 32768: 10},
    {64: 640, 500: 96},
    {32: 10, 128: 8, 512: 5},
)
QUICK = Plan({32: 5, 512: 3, 2048: 2}, {64: 32, 500: 16}, {32: 1}, 1, 10)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description="Measure the encoder.")
    parser.add_argument("--quick", action="store_true", help="a few texts only: does the benchmark work?")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), metavar="DIR")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
    }
    result |= asyncio.run(_measure(plan, load_bundle(options.bundle)))
    # last, and after the encoder is closed: three large models need memory and leave threads behind
    _say("the original's way")
    result["original"] = original.measure(plan.original)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "encoder-quick" if options.quick else "encoder"
    text = encoder_report.markdown(result)
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / f"{name}.md").write_text(text)
    print(text)


async def _measure(plan: Plan, bundle: Bundle) -> dict[str, Any]:
    encoder = await Encoder.start(bundle)
    maker = PromptMaker(SEED, bundle.tokenizer_path)
    try:
        await _latencies(encoder, [maker.make(64) for _ in range(20)])  # warm
        latency = {}
        for tokens, count in plan.latency.items():
            _say(f"{count} texts of {tokens} tokens")
            latency[tokens] = _summary(await _latencies(encoder, [maker.make(tokens) for _ in range(count)]))
            latency[tokens] |= await asyncio.to_thread(_bare, bundle, maker.make(tokens), count)
        beside = await _beside_long(encoder, maker, plan.short)
        throughput = {
            tokens: await _throughput(encoder, bundle, maker, tokens, count, plan.rounds)
            for tokens, count in plan.throughput.items()
        }
    finally:
        await encoder.aclose()
    return {
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version},
        "latency_ms": latency,
        "growth": growth({tokens: one["p50"] for tokens, one in latency.items() if tokens >= FIT_FROM}),
        "short_beside_long": beside,
        "throughput": throughput,
    }


async def _latencies(encoder: Encoder, texts: Sequence[str]) -> list[float]:
    """Milliseconds, one text after the other."""
    taken = []
    for text in texts:
        begun = time.perf_counter()
        await _read(encoder, text)
        taken.append(1e3 * (time.perf_counter() - begun))
    return taken


def _bare(bundle: Bundle, text: str, count: int) -> dict[str, float]:
    """The median milliseconds of the graph alone for the windows of a text, in batches; nothing for a bundle
    that runs on torch."""
    if bundle.engine == "torch":
        return {}
    graph = BareGraph(bundle, text)
    return {"bare_p50": percentile(sorted(1e3 * graph.seconds(1) for _ in range(count)), 50)}


async def _beside_long(encoder: Encoder, maker: PromptMaker, count: int) -> dict[str, Any]:
    """Texts of 32 tokens alone, and while two clients send nothing but texts of 8,192."""
    _say("short ones beside long ones")
    alone = _summary(await _latencies(encoder, [maker.make(32) for _ in range(count)]))
    longs = [maker.make(8192) for _ in range(4)]
    stream = [asyncio.create_task(_stream(encoder, longs, start)) for start in (0, 2)]
    try:
        beside = _summary(await _latencies(encoder, [maker.make(32) for _ in range(count)]))
    finally:
        for task in stream:
            task.cancel()
        await asyncio.wait(stream)
    return {"alone": alone, "beside": beside, "p99_ratio": beside["p99"] / alone["p99"]}


async def _stream(encoder: Encoder, texts: Sequence[str], start: int) -> None:
    number = start
    while True:
        number += 1
        # a first word that changes shifts every window, so that none is in the memo
        await _read(encoder, "and " * (number % 90) + texts[number % len(texts)])


async def _throughput(
    encoder: Encoder, bundle: Bundle, maker: PromptMaker, tokens: int, count: int, rounds: int
) -> dict[str, float]:
    """Texts a second with CLIENTS clients, and of bare OpenVINO in batches of as many windows, in turn; of
    the former alone for a bundle that runs on torch."""
    _say(f"{CLIENTS} clients with {tokens} tokens")
    bare = None
    if bundle.engine != "torch":
        bare = await asyncio.to_thread(BareGraph, bundle, maker.make(tokens), CLIENTS)
    seconds = {"encoder": 0.0, "bare": 0.0}
    for _ in range(rounds):
        waiting = [maker.make(tokens) for _ in range(count)]
        begun = time.perf_counter()
        await asyncio.gather(*(_client(encoder, waiting) for _ in range(CLIENTS)))
        seconds["encoder"] += time.perf_counter() - begun
        if bare:
            seconds["bare"] += await asyncio.to_thread(bare.seconds, count)
    rates = {name: rounds * count / spent for name, spent in seconds.items() if spent}
    if bare is None:
        return rates
    return {**rates, "ratio": rates["encoder"] / rates["bare"], "windows_per_text": float(bare.windows)}


async def _client(encoder: Encoder, waiting: list[str]) -> None:
    while waiting:
        await _read(encoder, waiting.pop())


def growth(medians: dict[int, float]) -> dict[str, float]:
    """The straight line of milliseconds over tokens, and how much of the variance it explains."""
    lengths, taken = np.array(list(medians)), np.array(list(medians.values()))
    slope, start = np.polyfit(lengths, taken, 1)
    rest = taken - (slope * lengths + start)
    explained = 1.0 - float((rest**2).sum() / ((taken - taken.mean()) ** 2).sum())
    return {"ms_per_1000_tokens": float(slope) * 1e3, "ms_at_0": float(start), "r_squared": explained}


def _summary(taken: Sequence[float]) -> dict[str, float]:
    values = sorted(taken)
    return {"p50": percentile(values, 50), "p99": percentile(values, 99), "n": float(len(values))}


async def _read(encoder: Encoder, text: str) -> None:
    passage = Passage("user", Content(text), (Leaf(0, len(text), ("text",)),))
    await encoder.read([passage], [0], deadline=asyncio.get_running_loop().time() + DEADLINE)


def _say(what: str) -> None:
    print(what, "...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
