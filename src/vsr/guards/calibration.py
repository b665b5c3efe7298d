"""Thresholds that were written into a configuration, held against what the bundle was calibrated for."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.policy import Policy
from vsr.encoder.manifest import Manifest


def threshold_doubts(policy: Policy, manifest: Manifest) -> list[str]:
    """One sentence for each threshold of the prompt guard that lies outside all operating points."""
    return [
        f"warning: {place} {threshold:g} is {side} every operating point of bundle {manifest.name} ({span}): "
        f"{effect} than it was calibrated for; leave it out to use them"
        for place, role, threshold in _thresholds(policy)
        for side, span, effect in _outside(threshold, role, manifest)
    ]


def _thresholds(policy: Policy) -> Iterator[tuple[str, str, float]]:
    guard = policy.guards.jailbreak
    if guard.threshold is not None:
        yield "global.guards.jailbreak.threshold", "any", guard.threshold
    if guard.system_threshold is not None:
        yield "global.guards.jailbreak.system_threshold", "system", guard.system_threshold
    for recipe in (policy, *policy.recipes.values()):
        for rule in recipe.signals.jailbreaks:
            if rule.threshold is not None:
                yield f"jailbreak signal '{rule.name}': threshold", "any", rule.threshold


def _outside(threshold: float, role: str, manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    points = manifest.heads.jailbreak.operating_points
    values = [point.threshold for point in points if point.role in (role, "any")]
    span = f"{min(values):g} to {max(values):g}"
    if threshold < min(values):
        yield "below", span, "more false alarms"
    elif threshold > max(values):
        yield "above", span, "more missed attacks"
