"""Which guards' verdicts a decision takes care of itself.

It does if it was reached because of the verdict: a leaf of the guard's signal type, or of a projection,
holds on the part of the tree that holds, under no NOT, and would not if the verdict were clean. A leaf
that holds because the signal is unavailable would all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vsr.config.policy import Leaf, Policy, RuleNode
from vsr.decisions.engine import Signals, match
from vsr.decisions.projections import project
from vsr.facts import Signal

GUARDS: Final = ("jailbreak", "pii")


def handled(rules: RuleNode | None, policy: Policy, judged: Signals, signals: Signals) -> frozenset[str]:
    """judged: the signals as they were computed. signals: as `project` left them."""
    return frozenset(kind for kind in GUARDS if _handles(rules, kind, policy, judged, signals))


def _handles(rules: RuleNode | None, kind: str, policy: Policy, judged: Signals, signals: Signals) -> bool:
    kinds = {kind}
    if any(one.type == kind and one.matched for one in judged.values()):
        kinds.add("projection")
    leaves = [leaf for leaf in _holding(rules, signals) if leaf.type in kinds]
    if not leaves:
        return False
    without = {key: _clean(one) if one.type == kind else one for key, one in judged.items()}
    otherwise = project(policy.projections, without).signals
    return any(not match(leaf, otherwise).matched for leaf in leaves)


def _clean(signal: Signal) -> Signal:
    """An error stays: what is unavailable is no verdict."""
    labels = dict.fromkeys(signal.labels, 0.0)
    return replace(signal, matched=False, confidence=0.0, value=0.0, labels=labels)


def _holding(node: RuleNode | None, signals: Signals) -> Iterable[Leaf]:
    """The leaves that make a tree hold. A NOT that holds has no child that holds."""
    if node is None or not match(node, signals).matched:
        return
    if isinstance(node, Leaf):
        yield node
        return
    for child in node.children:
        yield from _holding(child, signals)
