"""The prompt guard: does anything in a request try to take the model over?

Every window of every passage counts, whatever model was asked for. System passages are held against
an operating point of their own. Where a guard of others is configured, it judges too, and either may
refuse; what it means that one could not judge is set for each. The guard states a finding; what follows
is the router's to say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from vsr.config.policy import PromptGuard, RemoteGuard
from vsr.facts import REMOTE_GUARD, Facts, WindowRisk
from vsr.route import Finding
from vsr.signals.jailbreak import Decisive, decisive_window


def assess_prompt(facts: Facts, guard: PromptGuard) -> Finding:
    if guard.mode == "off":
        return Finding("jailbreak", "clean", reason="the prompt guard is off")
    own = _assess_head(facts, guard)
    return own if guard.remote is None else _with_remote(own, facts, guard, guard.remote)


def _with_remote(own: Finding, facts: Facts, guard: PromptGuard, remote: RemoteGuard) -> Finding:
    """The stricter of both. A guard that could not judge does not hide what the other one found."""
    signal = facts.signals.get(REMOTE_GUARD)
    if own.state == "violating":
        return own
    if signal is None or signal.error:
        error = f"the remote guard gave no answer ({signal.error if signal else 'not asked'})"
        return _stricter(own, _unavailable(guard, remote.on_unavailable, error))
    if not signal.matched:
        return own
    return Finding(
        "jailbreak",
        "violating",
        score=signal.confidence,
        threshold=signal.threshold or 0.0,
        shadow=guard.mode == "shadow",
        reason="the remote guard takes it for an attack",
    )


def _stricter(own: Finding, other: Finding) -> Finding:
    if own.state != "clean":
        return own
    return other if other.state != "clean" else replace(own, reason=own.reason or other.reason)


def _assess_head(facts: Facts, guard: PromptGuard) -> Finding:
    threshold = _first(guard.threshold, facts.operating_points.get("any"))
    system_threshold = _first(guard.system_threshold, facts.operating_points.get("system"), threshold)
    if facts.readings is None or threshold is None or system_threshold is None:
        error = facts.encoder_error or "the encoder gave no usable answer"
        return _unavailable(guard, guard.on_unavailable, error)
    windows = _judged(facts, facts.readings.jailbreak, guard)
    worst = decisive_window(windows, facts.passages, threshold, system_threshold)
    return Finding(
        "jailbreak",
        "violating" if worst.over else "clean",
        score=worst.risk,
        threshold=worst.threshold,
        shadow=guard.mode == "shadow",
        reason=_said(worst) if worst.over else "",
    )


def _said(worst: Decisive) -> str:
    seen = f", read through {worst.disguise}," if worst.disguise else ""
    return f"a {worst.role} passage{seen} looks like an attempt to override the model"


def _first(*thresholds: float | None) -> float | None:
    return next((threshold for threshold in thresholds if threshold is not None), None)


def _unavailable(guard: PromptGuard, then: Literal["refuse", "allow"], error: str) -> Finding:
    if then == "allow":
        return Finding("jailbreak", "clean", reason=f"not judged and let through by policy: {error}")
    reason = f"the prompt guard could not judge: {error}"
    return Finding("jailbreak", "unavailable", shadow=guard.mode == "shadow", reason=reason)


def _judged(facts: Facts, windows: tuple[WindowRisk, ...], guard: PromptGuard) -> list[WindowRisk]:
    """All windows but those that lie within an allowed passage; a bridging one reads its neighbour too."""
    if not guard.allow_list:
        return list(windows)
    allowed = {index for index, passage in enumerate(facts.passages) if guard.exempts(passage.text.reveal())}
    return [window for window in windows if window.bridging or window.passage not in allowed]
