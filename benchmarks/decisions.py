"""How long deciding takes: the rules of 100 decisions over 50 signals, without a trace.

    python benchmarks/decisions.py

Prints the median and the 99th percentile of one decision in microseconds, for each strategy and with
projections in front. The rules have two to six leaves, nested up to three deep; a third of the signals
match. The same seed gives the same policies.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from vsr.config.policy import Band, Bands, Branch, Decision, Input, Leaf, Policy, Projections, RuleNode, Score
from vsr.config.predicate import Predicate
from vsr.decisions.engine import Signals, winner
from vsr.decisions.projections import project
from vsr.facts import Signal

DECISIONS, SIGNALS, REQUESTS, ROUNDS = 100, 50, 40, 25
TARGET_US = 200.0


def signals(generator: random.Random) -> Signals:
    made = (
        Signal(
            "keyword", f"s{index}", generator.random() < 1 / 3, generator.random(), value=generator.random()
        )
        for index in range(SIGNALS)
    )
    return {signal.key: signal for signal in made}


def leaf(generator: random.Random) -> RuleNode:
    name = f"s{generator.randrange(SIGNALS)}"
    if generator.random() < 0.2:
        return Leaf("keyword", name, predicate=Predicate(gte=generator.random()))
    made = Leaf("keyword", name)
    return Branch("NOT", (made,)) if generator.random() < 0.15 else made


def tree(generator: random.Random) -> RuleNode:
    inner = [
        Branch("OR", tuple(leaf(generator) for _ in range(generator.randint(1, 3))))
        for _ in range(generator.randint(1, 2))
    ]
    return Branch("AND", (leaf(generator), *inner))


def policy(generator: random.Random) -> Policy:
    decisions = tuple(
        Decision(f"d{index}", generator.randrange(20), rules=tree(generator)) for index in range(DECISIONS)
    )
    return Policy(decisions=decisions)


def projections(generator: random.Random) -> Projections:
    """Five scores of eight signals each, with three bands."""
    steps: list[Score | Bands] = []
    for index in range(5):
        names = generator.sample(range(SIGNALS), 8)
        steps.append(
            Score(f"score{index}", tuple(Input("keyword", f"s{name}", generator.random()) for name in names))
        )
        bands = tuple(Band(f"b{index}{low}", Predicate(gte=low, lt=low + 1)) for low in range(3))
        steps.append(Bands(f"m{index}", f"score{index}", bands))
    return Projections(steps=tuple(steps))


def timed(work: Callable[[Signals], object], requests: list[Signals]) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        for request in requests:
            started = time.perf_counter()
            work(request)
            taken.append((time.perf_counter() - started) * 1e6)
    return taken


def main() -> None:
    generator = random.Random(0)
    plain = policy(generator)
    tiered = replace(
        plain, decisions=tuple(replace(one, tier=generator.randint(1, 4)) for one in plain.decisions)
    )
    by_confidence = replace(plain, strategy="confidence")
    projected = projections(generator)
    requests = [signals(generator) for _ in range(REQUESTS)]
    nothing: list[Signals] = [
        {key: replace(one, matched=False, value=-1.0) for key, one in requests[0].items()}
    ]
    cases: dict[str, tuple[Callable[[Signals], object], list[Signals]]] = {
        "priority": (lambda seen: winner(plain, seen), requests),
        "priority, nothing holds": (lambda seen: winner(plain, seen), nothing * REQUESTS),
        "confidence": (lambda seen: winner(by_confidence, seen), requests),
        "tiers": (lambda seen: winner(tiered, seen), requests),
        "projections alone": (lambda seen: project(projected, seen), requests),
    }
    print(f"{DECISIONS} decisions, {SIGNALS} signals; target {TARGET_US:.0f} us")
    for name, (work, given) in cases.items():
        taken = timed(work, given)
        p99 = statistics.quantiles(taken, n=100)[98]
        print(f"{name:24} median {statistics.median(taken):7.1f} us   p99 {p99:7.1f} us")


if __name__ == "__main__":
    main()
