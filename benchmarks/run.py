"""What the router costs, from the client's side: `make bench`, or `python -m benchmarks.run [--quick]`.

Direct to a simulated model against the gateway and Envoy, in one run. Every prompt is distinct, so
the memo is cold; a hot run is reported apart. Writes JSON and a table to benchmarks/results.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import machine, report, servers
from benchmarks.prompts import PromptMaker
from benchmarks.report import DIRECT

RESULTS = Path(__file__).parent / "results"
SEED = 20_26


@dataclass(frozen=True, slots=True)
class Plan:
    """How often. lengths: prompts for each number of tokens; throughput: prompts for so many clients."""

    lengths: dict[int, int]
    throughput: dict[int, int]
    first_token: int = 200
    hot: int = 300
    warm_up: int = 20
    starts: int = 3


FULL = Plan({32: 300, 128: 300, 512: 200, 2048: 100, 8192: 100}, {1: 300, 16: 1500, 64: 3000})
QUICK = Plan({32: 5, 128: 5, 512: 3, 2048: 2, 8192: 1}, {1: 5, 16: 20, 64: 64}, 5, 5, 2, 1)

Ask = Callable[..., dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure the router.")
    parser.add_argument("--quick", action="store_true", help="a few requests only: does the benchmark work?")
    parser.add_argument("--no-envoy", action="store_true", help="the gateway only")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR")
    options = parser.parse_args()
    result = measure(QUICK if options.quick else FULL, envoy=not options.no_envoy)
    options.out.mkdir(parents=True, exist_ok=True)
    name = "quick" if options.quick else "latest"
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = report.markdown(result)
    (options.out / f"{name}.md").write_text(text)
    print(text)


def measure(plan: Plan, *, envoy: bool) -> dict[str, Any]:
    """One door after the other, with only its own router running: two would take each other's caches
    and cores. Going direct is measured anew beside each; all doors get the same prompts."""
    result: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
    }
    doors: dict[str, tuple[str, ...]] = {"gateway": (), **({"envoy": ("--envoy",)} if envoy else {})}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vsr-bench-")))
        simulator = stack.enter_context(servers.simulator())
        result["start_seconds"] = median(_start_seconds(simulator, directory) for _ in range(plan.starts))
        for door, arguments in doors.items():
            with servers.router(simulator, directory, *arguments) as (port, process, _):
                begun = machine.resident_mib(process.pid)
                measured = _measure_door(plan, door, {DIRECT: simulator, door: port})
                measured["memory_mib"] = {door: machine.resident_mib(process.pid)}
                measured["memory_mib_at_start"] = {door: begun}
            result = report.merged(result, report.summarised(measured))
    result["install_mib"] = machine.install_mib()
    return result


def _measure_door(plan: Plan, door: str, targets: dict[str, int]) -> dict[str, Any]:
    maker = PromptMaker(SEED)
    _say(f"{door}: warming up")
    _ask(targets, [maker.make(64) for _ in range(plan.warm_up)])
    result: dict[str, Any] = {"latency": {}, "throughput": {}}
    for tokens, count in plan.lengths.items():
        _say(f"{door}: {count} prompts of {tokens} tokens")
        result["latency"][str(tokens)] = _ask(targets, [maker.make(tokens) for _ in range(count)])
    result["first_token"] = _ask(targets, [maker.make(64) for _ in range(plan.first_token)], stream=True)
    for clients, count in plan.throughput.items():
        _say(f"{door}: {clients} clients")
        # each target in turn has the machine to itself, and its own prompts
        result["throughput"][str(clients)] = {}
        for name, port in targets.items():
            prompts = [maker.make(64) for _ in range(count)]
            result["throughput"][str(clients)] |= _ask({name: port}, prompts, clients=clients)
    _say(f"{door}: the same prompt again and again")
    result["hot"] = _ask(targets, [maker.make(64)] * plan.hot)
    return result


def _ask(
    targets: dict[str, int], prompts: list[str], *, clients: int = 1, stream: bool = False
) -> dict[str, Any]:
    """Let the measuring client do one job, in a process of its own."""
    job = {"targets": targets, "prompts": prompts, "clients": clients, "stream": stream}
    command = [sys.executable, str(Path(__file__).parent / "client.py")]
    done = subprocess.run(command, input=json.dumps(job).encode(), stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _start_seconds(simulator: int, directory: Path) -> float:
    with servers.router(simulator, directory) as (_, _, seconds):
        return round(seconds, 2)


def _say(what: str) -> None:
    print(what, "...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
