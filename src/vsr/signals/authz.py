"""Role bindings: what the authenticated caller may be routed to.

Who the caller is comes from authentication, never from a header that a client wrote. Nobody known is
in no role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vsr.config.policy_signals import RoleBindingRule
from vsr.facts import Signal


@dataclass(frozen=True, slots=True)
class Caller:
    """user: "" where nobody is authenticated."""

    user: str = ""
    groups: frozenset[str] = frozenset()


NOBODY = Caller()


def evaluate(rules: Sequence[RoleBindingRule], caller: Caller) -> list[Signal]:
    """One signal a binding and one a role, which rules may name as well."""
    bound: dict[str, bool] = {}
    for rule in rules:
        fits = caller.user in rule.users or not rule.groups.isdisjoint(caller.groups)
        for name in (rule.name, rule.role):
            bound[name] = bound.get(name, False) or fits
    return [Signal("authz", name, matched) for name, matched in bound.items()]
