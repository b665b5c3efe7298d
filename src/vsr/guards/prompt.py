"""The prompt guard: does anything in a request try to take the model over?

Every window of every passage counts, whatever model was asked for. System passages are held against
an operating point of their own. The guard states a finding; what follows is the router's to say.
"""

from __future__ import annotations

from vsr.config.policy import PromptGuard
from vsr.facts import Facts, WindowRisk
from vsr.route import Finding
from vsr.signals.jailbreak import Decisive, decisive_window


def assess_prompt(facts: Facts, guard: PromptGuard) -> Finding:
    if guard.mode == "off":
        return Finding("jailbreak", "clean", reason="the prompt guard is off")
    threshold = _first(guard.threshold, facts.operating_points.get("any"))
    system_threshold = _first(guard.system_threshold, facts.operating_points.get("system"), threshold)
    if facts.readings is None or threshold is None or system_threshold is None:
        return _unavailable(guard, facts.encoder_error or "the encoder gave no usable answer")
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


def _unavailable(guard: PromptGuard, error: str) -> Finding:
    if guard.on_unavailable == "allow":
        return Finding("jailbreak", "clean", reason=f"not judged and let through by policy: {error}")
    reason = f"the prompt guard could not judge: {error}"
    return Finding("jailbreak", "unavailable", shadow=guard.mode == "shadow", reason=reason)


def _judged(facts: Facts, windows: tuple[WindowRisk, ...], guard: PromptGuard) -> list[WindowRisk]:
    """All windows but those that lie within an allowed passage; a bridging one reads its neighbour too."""
    if not guard.allow_list:
        return list(windows)
    allowed = {
        index
        for index, passage in enumerate(facts.passages)
        if any(pattern.fullmatch(passage.text.reveal().strip()) for pattern in guard.allow_list)
    }
    return [window for window in windows if window.bridging or window.passage not in allowed]
