"""What would have had to be different: for each signal alone, the value from which on another route
would have been chosen.

The choice is asked anew for a few values of one signal, all others kept, and the border between two
answers is then narrowed down. Only for traces: a large configuration is asked some hundred times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vsr.config.policy import Leaf, Policy, RuleNode, Score
from vsr.decisions.engine import Signals
from vsr.facts import Signal
from vsr.route import Route

Choose = Callable[[Signals], Route]
"""Signals as they were judged, before projections → the route."""

_STEPS: Final = 8  # values tried between two ends; what changes and changes back in between is missed
_NARROWED: Final = 14  # halvings of a step, down to about 1e-5 of the range
_DECIMALS: Final = 4  # that are told of a border


@dataclass(frozen=True, slots=True)
class Flip:
    """`decision` and `model` would be chosen if the signal (its label) had the value `at` or one further
    away from `now`; without values, if it matched where it does not, or the other way round."""

    type: str
    name: str
    label: str
    matched: bool
    now: float | None
    at: float | None
    outcome: str
    decision: str
    model: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "signal": f"{self.type}:{self.name}" + (f":{self.label}" if self.label else ""),
            "matched": self.matched,
            "now": self.now,
            "at": self.at,
            "outcome": self.outcome,
            "decision": self.decision,
            "model": self.model,
        }


def flips(policy: Policy, signals: Signals, choose: Choose) -> tuple[Flip, ...]:
    now = choose(signals)
    used = _used(policy)
    found: list[Flip] = []
    for key, signal in signals.items():
        # The category comes from domains even where no rule asks for one.
        if signal.error or (key not in used and signal.type != "domain"):
            continue
        for dial in _dials(signal, used.get(key, _Used())):
            found.extend(_along(dial, signals, now, choose))
    return tuple(found)


@dataclass(slots=True)
class _Used:
    """How rules ask for one signal: bounds of predicates by label ("" for the signal itself), and labels
    that it must have."""

    bounds: dict[str, list[float]] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Dial:
    """One way to change a signal: `turn` makes the signal of a value. stops: values that must be tried.
    now None: there is only one other state, which any value gives."""

    signal: Signal
    label: str
    now: float | None
    stops: tuple[float, ...]
    turn: Callable[[float], Signal]


def _dials(signal: Signal, used: _Used) -> Iterator[_Dial]:
    own = used.bounds.get("", [])
    if signal.label:  # a signal with several outcomes: its threshold is only that of one
        for label in sorted(used.labels - {signal.label}):
            yield _Dial(signal, label, None, (), _with_label(signal, label))
        if signal.value is not None and own:
            yield _Dial(signal, "", signal.value, tuple(own), lambda value: replace(signal, value=value))
    elif signal.threshold is not None:
        stops = (signal.threshold, *own)
        yield _Dial(signal, "", _value(signal), stops, lambda value: _measured(signal, value))
    else:
        matched = not signal.matched
        other = replace(signal, matched=matched, confidence=(signal.confidence or 1.0) if matched else 0.0)
        yield _Dial(signal, "", None, (), lambda _: other)
        if signal.value is not None and own:
            yield _Dial(signal, "", signal.value, tuple(own), lambda value: replace(signal, value=value))
    for label, bounds in used.bounds.items():
        if label in signal.labels:
            yield _Dial(signal, label, signal.labels[label], tuple(bounds), _labelled(signal, label))


def _value(signal: Signal) -> float:
    return signal.confidence if signal.value is None else signal.value


def _measured(signal: Signal, value: float) -> Signal:
    threshold = signal.threshold if signal.threshold is not None else 0.0
    raw = None if signal.value is None else value
    return replace(signal, confidence=min(1.0, max(0.0, value)), value=raw, matched=value >= threshold)


def _with_label(signal: Signal, label: str) -> Callable[[float], Signal]:
    return lambda _: replace(signal, label=label)


def _labelled(signal: Signal, label: str) -> Callable[[float], Signal]:
    return lambda value: replace(signal, labels={**signal.labels, label: value})


def _along(dial: _Dial, signals: Signals, now: Route, choose: Choose) -> Iterator[Flip]:
    def ask(value: float) -> Route:
        turned = dial.turn(value)
        return choose({**signals, turned.key: turned})

    if dial.now is None:
        route = ask(0.0)
        if _identity(route) != _identity(now):
            yield _flip(dial, None, dial.turn(0.0).matched, route)
        return
    low, high = min(0.0, dial.now, *dial.stops), max(1.0, dial.now, *dial.stops)
    step = (high - low) / _STEPS
    tried = sorted({*dial.stops, *(low + step * index for index in range(_STEPS + 1))})
    # A bound may exclude the value it names, so what lies just beyond is tried, too.
    beyond = [stop + sign * step * 1e-4 for stop in dial.stops for sign in (-1, 1)]
    tried = sorted({*tried, *beyond})
    for values in ([v for v in tried if v > dial.now], [v for v in reversed(tried) if v < dial.now]):
        border = _border(dial.now, values, now, ask)
        if border is not None:
            at, route = border
            told = _outwards(at, dial.now)
            # whoever puts the value back in finds the same
            if _identity(ask(told)) != _identity(route):
                told = at
            yield _flip(dial, told, dial.turn(told).matched, route)


def _outwards(at: float, now: float) -> float:
    """`at` with a few decimals, never nearer to `now`: that side does not flip."""
    near = round(at, _DECIMALS)
    if (near < at) if at > now else (near > at):
        near = round(near + math.copysign(10**-_DECIMALS, at - now), _DECIMALS)
    return near


def _border(
    start: float, values: Iterable[float], now: Route, ask: Callable[[float], Route]
) -> tuple[float, Route] | None:
    """The first value, away from `start`, with another route."""
    same = start
    for value in values:
        route = ask(value)
        if _identity(route) == _identity(now):
            same = value
            continue
        for _ in range(_NARROWED):
            middle = (same + value) / 2
            between = ask(middle)
            if _identity(between) == _identity(now):
                same = middle
            else:
                value, route = middle, between
        return value, route
    return None


def _flip(dial: _Dial, at: float | None, matched: bool, route: Route) -> Flip:
    signal = dial.signal
    return Flip(
        type=signal.type,
        name=signal.name,
        label=dial.label,
        matched=matched,
        now=dial.now,
        at=at,
        outcome=route.outcome,
        decision=route.decision,
        model=route.selected_model,
    )


def _identity(route: Route) -> tuple[str, str, str, str]:
    return route.outcome, route.decision, route.model, route.model_id


def _used(policy: Policy) -> dict[tuple[str, str], _Used]:
    """The signals that rules and projections ask for."""
    used: dict[tuple[str, str], _Used] = {}
    for decision in policy.decisions:
        for leaf in leaves(decision.rules):
            asked = used.setdefault(leaf.key, _Used())
            if leaf.predicate is not None:
                asked.bounds.setdefault(leaf.label, []).extend(leaf.predicate.bounds)
            elif leaf.label:
                asked.labels.add(leaf.label)
    for partition in policy.projections.partitions:
        for member in partition.members:
            used.setdefault((partition.type, member), _Used())
    for step in policy.projections.steps:
        for item in step.inputs if isinstance(step, Score) else ():
            asked = used.setdefault((item.type, item.name), _Used())
            if item.label and item.source in ("binary", "confidence"):
                asked.labels.add(item.label)
    return used


def leaves(node: RuleNode | None) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif node is not None:
        for child in node.children:
            yield from leaves(child)
