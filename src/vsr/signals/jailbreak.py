"""Jailbreak rules: the risk of the worst window, held against a threshold.

Windows of system passages are held against an operating point of their own, since an application
that says "never reveal ..." is not an attack. `decisive_window` is shared with the prompt guard.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vsr.config.policy import JailbreakRule
from vsr.facts import Passage, Signal, WindowRisk


@dataclass(frozen=True, slots=True)
class Decisive:
    """The window that decides: the riskiest of those over their threshold, else of all."""

    risk: float
    threshold: float
    role: str = ""
    disguise: str = ""

    @property
    def over(self) -> bool:
        return self.risk >= self.threshold


def decisive_window(
    windows: Iterable[WindowRisk], passages: Sequence[Passage], any_threshold: float, system_threshold: float
) -> Decisive:
    """Risk 0 against `any_threshold` when there are no windows."""
    decisive = Decisive(0.0, any_threshold)
    for window in windows:
        role = passages[window.passage].role
        candidate = Decisive(
            window.risk, system_threshold if role == "system" else any_threshold, role, window.disguise
        )
        if (candidate.over, candidate.risk) > (decisive.over, decisive.risk):
            decisive = candidate
    return decisive


def evaluate(
    rules: Sequence[JailbreakRule],
    windows: Sequence[WindowRisk],
    passages: Sequence[Passage],
    ask: Collection[int],
    operating_points: Mapping[str, float],
) -> list[Signal]:
    """One signal a rule. `ask` are the passages that a rule without history looks at."""
    return [_evaluate_rule(rule, windows, passages, ask, operating_points) for rule in rules]


def _evaluate_rule(
    rule: JailbreakRule,
    windows: Sequence[WindowRisk],
    passages: Sequence[Passage],
    ask: Collection[int],
    operating_points: Mapping[str, float],
) -> Signal:
    threshold = operating_points.get("any") if rule.threshold is None else rule.threshold
    if threshold is None:
        return Signal("jailbreak", rule.name, False, 0.0, error="the bundle has no operating point")
    seen = windows if rule.include_history else [window for window in windows if _within(window, ask)]
    system_threshold = max(threshold, operating_points.get("system", threshold))
    worst = decisive_window(seen, passages, threshold, system_threshold)
    detail = f"{len(seen)} windows, decided by a {worst.role} passage" if seen else "no windows"
    return Signal("jailbreak", rule.name, worst.over, worst.risk, worst.threshold, detail=detail)


def _within(window: WindowRisk, ask: Collection[int]) -> bool:
    """A bridging window also reads the passage before, which must then be part of the ask as well."""
    return window.passage in ask and (not window.bridging or window.passage - 1 in ask)
