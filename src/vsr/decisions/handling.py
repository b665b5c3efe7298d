"""Which guards' verdicts a decision takes care of itself.

It does if it was reached because of the verdict: a leaf of the guard's signal type holds on the part
of the tree that holds, under no NOT; or a leaf of a projection that holds and would not without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vsr.config.policy import Leaf, Policy, RuleNode
from vsr.decisions.engine import Signals, match
from vsr.decisions.projections import project

GUARDS: Final = ("jailbreak", "pii")


def handled(rules: RuleNode | None, policy: Policy, judged: Signals, signals: Signals) -> frozenset[str]:
    """judged: the signals as they were computed. signals: as `project` left them."""
    return frozenset(kind for kind in GUARDS if _handles(rules, kind, policy, judged, signals))


def _handles(rules: RuleNode | None, kind: str, policy: Policy, judged: Signals, signals: Signals) -> bool:
    leaves = list(_holding(rules, signals))
    if any(leaf.type == kind for leaf in leaves):
        return True
    projected = [leaf for leaf in leaves if leaf.type == "projection"]
    if not projected or not any(one.type == kind and one.matched for one in judged.values()):
        return False
    without = {
        key: replace(one, matched=False, confidence=0.0, value=0.0) if one.type == kind else one
        for key, one in judged.items()
    }
    otherwise = project(policy.projections, without).signals
    return any(not match(leaf, otherwise).matched for leaf in projected)


def _holding(node: RuleNode | None, signals: Signals) -> Iterable[Leaf]:
    """The leaves that make a tree hold. A NOT that holds has no child that holds."""
    if node is None or not match(node, signals).matched:
        return
    if isinstance(node, Leaf):
        yield node
        return
    for child in node.children:
        yield from _holding(child, signals)
