"""What to do with a judged request and why: plain values.

`guards/` states `Verdict`s, `decisions/` and `selection/` choose, and `router.decide` puts it all
into one `Route`. A door never interprets facts; it carries out a route.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vsr.facts import Entity

State = Literal["clean", "violating", "unavailable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one guard says. In shadow mode a violation is reported and not acted on.

    score is the decisive value (risk of the worst window, best entity score), threshold what it was
    held against. types lists the entity types for `pii`, never values.
    """

    guard: Literal["jailbreak", "pii"]
    state: State
    score: float = 0.0
    threshold: float = 1.0
    types: tuple[str, ...] = ()
    shadow: bool = False
    reason: str = ""

    @property
    def acts(self) -> bool:
        return self.state != "clean" and not self.shadow


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """Plugin `system_prompt`: `replace` drops what the client sent, `insert` puts the text before it."""

    text: str
    mode: Literal["replace", "insert"] = "replace"


@dataclass(frozen=True, slots=True)
class HeaderMutation:
    """Plugin `header_mutation`, applied to the request towards the back end."""

    add: tuple[tuple[str, str], ...] = ()
    update: tuple[tuple[str, str], ...] = ()
    delete: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FastResponse:
    """Plugin `fast_response`: answer with this text instead of calling a model."""

    message: str


PiiAction = Literal["log", "mask", "block"]


@dataclass(frozen=True, slots=True)
class PiiPolicy:
    """Which entity types may reach a model. `allowed` None means all; others meet `action`."""

    allowed: frozenset[str] | None = None
    action: PiiAction = "block"

    def forbids(self, entity_type: str) -> bool:
        return self.allowed is not None and entity_type not in self.allowed


ALLOW_ALL = PiiPolicy()

Plugin = SystemPrompt | HeaderMutation | FastResponse | PiiPolicy


@dataclass(frozen=True, slots=True)
class Retention:
    """What a decision asks of whoever keeps state for this client. None: nothing is said about it.

    drop: keep nothing. ttl_turns: for how many turns. keep_current_model: do not switch.
    prefer_prefix: a server that has the conversation's prefix is preferred.
    """

    drop: bool | None = None
    ttl_turns: int | None = None
    keep_current_model: bool | None = None
    prefer_prefix: bool | None = None


Outcome = Literal[
    "forward", "compose", "answer", "refuse", "unavailable", "unknown_model", "unroutable", "unselected"
]


@dataclass(frozen=True, slots=True)
class Route:
    """What to do with one request.

    outcome   forward: send it to `model`. compose: call several of `members` and answer with what comes
              of it. answer: `message` is the whole answer (fast_response).
              refuse: a guard says no (403, or a completion where the policy says so).
              unavailable: a guard could not judge and the policy fails closed (503).
              unknown_model: the client named a model nobody configured.
              unroutable: nothing matched and there is no default model.
              unselected: a decision matched, and its algorithm may not send it to any of its models.
    model     logical name of the chosen model; lora the LoRA of it that serves, empty for none; model_id
              is what goes into the body (a LoRA or provider id may differ); backends are the names of its
              back ends in order of trial.
    reasoning None leaves the client's own setting alone; True or False sets it explicitly.
    recipe    the set of decisions that was asked, "default" for the document's own.
    retention what the decision says about state kept for the client.
    members   names of the models that `compose` may call, in the order of their first calls.
    instead_of the algorithm that could not choose, where the static choice stands in for it.
    refused_by the guard whose finding refused it.
    mask      entities to replace by placeholders before forwarding.
    reason    one content-free sentence: why this outcome.
    """

    outcome: Outcome
    requested_model: str
    model: str = ""
    model_id: str = ""
    backends: tuple[str, ...] = ()
    decision: str = ""
    confidence: float = 0.0
    category: str = ""
    category_confidence: float = 0.0
    algorithm: str = ""
    reasoning: bool | None = None
    reasoning_effort: str = ""
    plugins: tuple[Plugin, ...] = ()
    mask: tuple[Entity, ...] = ()
    message: str = ""
    refused_by: str = ""
    findings: tuple[Finding, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    recipe: str = "default"
    retention: Retention | None = None
    members: tuple[str, ...] = ()
    lora: str = ""
    instead_of: str = ""

    @property
    def selected_model(self) -> str:
        """What was chosen, as headers, metrics and logs name it: the LoRA if one serves, else the model."""
        return self.lora or self.model

    def finding(self, guard: str) -> Finding | None:
        return next((finding for finding in self.findings if finding.guard == guard), None)
