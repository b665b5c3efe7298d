"""The compiled decisions: rule trees, what they lead to, and what is done besides.

Part of `policy`, which passes these names on; nothing else imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vsr.config.policy_loopers import Looper
from vsr.config.policy_selection import STATIC, Choosing
from vsr.config.predicate import Predicate
from vsr.route import Plugin, Retention


@dataclass(frozen=True, slots=True)
class Leaf:
    """Matches when the signal `type:name` does, with a label only if it is the signal's.

    predicate: the leaf matches if the signal's value (that of `label`, if one is given) is within
    these bounds, whether the signal itself matched or not. on_error: what an unavailable signal counts
    as. key: where the signal stands among the facts.
    """

    type: str
    name: str
    on_error: Literal["match", "no_match"] = "no_match"
    label: str = ""
    predicate: Predicate | None = None
    key: tuple[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.type, self.name))


@dataclass(frozen=True, slots=True)
class Branch:
    operator: Literal["AND", "OR", "NOT"]
    children: tuple[RuleNode, ...]


RuleNode = Leaf | Branch


@dataclass(frozen=True, slots=True)
class ModelRef:
    model: str
    lora: str = ""
    weight: float = 1.0
    use_reasoning: bool = False
    reasoning_effort: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """rules None is a catch-all. plugins holds at most one of each kind, in order of application. With a
    looper several of the models are called, and nothing is chosen among them.
    retention is announced to whoever keeps state for the client; annotations are the operator's notes.
    """

    name: str
    priority: int = 0
    tier: int = 0
    rules: RuleNode | None = None
    models: tuple[ModelRef, ...] = ()
    choosing: Choosing = STATIC
    looper: Looper | None = None
    plugins: tuple[Plugin, ...] = ()
    description: str = ""
    retention: Retention | None = None
    annotations: Mapping[str, str | int | float | bool] = field(default_factory=dict)
