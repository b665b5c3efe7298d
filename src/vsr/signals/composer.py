"""Whether the tree of a composer holds, from signals that are known; None where one is missing.

Also tells which decisions are still open, so that what costs a call is only asked while it can matter.
What follows from the signals is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from vsr.config.policy import Policy
from vsr.config.policy_decisions import Leaf, RuleNode
from vsr.facts import Signal

Key = tuple[str, str]
Known = Mapping[Key, Signal]


def holds(node: RuleNode, signals: Known) -> bool:
    return truth(node, signals) is True


def truth(node: RuleNode | None, signals: Known) -> bool | None:
    """Three-valued: None if the signals that are known leave it open. A tree of None holds always."""
    if node is None:
        return True
    if isinstance(node, Leaf):
        return _leaf(node, signals)
    values = [truth(child, signals) for child in node.children]
    match node.operator:
        case "NOT":
            return None if values[0] is None else not values[0]
        case "AND":
            return False if False in values else None if None in values else True
        case "OR":
            return True if True in values else None if None in values else False


def _leaf(leaf: Leaf, signals: Known) -> bool | None:
    signal = signals.get(leaf.key)
    if signal is None:
        return None
    if signal.error:
        return leaf.on_error == "match"
    if leaf.predicate is not None:
        if leaf.label:
            value = signal.labels.get(leaf.label)
            return value is not None and leaf.predicate.holds(value)
        return leaf.predicate.holds(signal.confidence if signal.value is None else signal.value)
    return signal.matched and leaf.label in ("", signal.label)


def leaves(node: RuleNode | None) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif node is not None:
        for child in node.children:
            yield from leaves(child)


def still_needed(policy: Policy, known: Known, pending: Collection[Key]) -> set[Key]:
    """Those of `pending` that a decision which may still win depends on.

    A decision that certainly holds beats open ones of lower priority under the strategy `priority`;
    under the others every open decision may win. Projections are taken to depend on everything, and
    partitions to change any of their members.
    """
    changing = {(one.type, member) for one in policy.projections.partitions for member in one.members}
    if changing:
        known = {key: signal for key, signal in known.items() if key not in changing}
    open_, bar = [], None
    for decision in policy.decisions:
        value = truth(decision.rules, known)
        if value is None:
            open_.append(decision)
        elif value and (bar is None or decision.priority > bar):
            bar = decision.priority
    ranked = policy.strategy == "priority" and not any(decision.tier for decision in policy.decisions)
    needed: set[Key] = set()
    for decision in open_:
        if bar is not None and ranked and decision.priority < bar:
            continue
        for leaf in leaves(decision.rules):
            if leaf.type == "projection":
                return set(pending)
            if leaf.key in pending:
                needed.add(leaf.key)
    return needed
