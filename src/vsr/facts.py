"""What is known about one request after it was judged: values only, no behaviour that decides.

A chat request is flattened into `Passage`s (who said what, and where in the body it stands). The
encoder turns passages into `Readings`; `signals/` turns readings and the passages themselves into
named `Signal`s; all of it together is `Facts`, the only input of guards and decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from vsr.content import Content

BodyPath = tuple[str | int, ...]
"""Where a string stands in the request body, e.g. ("messages", 0, "content", 1, "text")."""

Role = Literal["system", "user", "assistant", "tool", "other"]
"""`developer` counts as system; tool definitions, documents and unknown fields are `other`."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One string of the body inside a passage: `text[start:end]` stands at `path`, from character
    `offset` of it on.

    A leaf whose `path` is empty is shown to the judges but cannot be rewritten (an object key, an
    encoded file).
    """

    start: int
    end: int
    path: BodyPath
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """Text that will reach a model, in conversation order. Several short strings of one container
    (a tool definition) are joined into one passage; `leaves` says where each came from, in order.
    Their paths hold keys that clients chose, hence not shown."""

    role: Role
    text: Content
    leaves: tuple[Leaf, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """A span of personal data: `passages[passage].text[start:end]`. Never carries the value."""

    type: str
    passage: int
    start: int
    end: int
    score: float
    source: Literal["encoder", "pattern"] = "encoder"


@dataclass(frozen=True, slots=True)
class WindowRisk:
    """P(jailbreak) of one window. A bridging window covers the end of one passage and the start of
    the next; it is attributed to the later one. disguise: the kind of writing, such as base64, that the
    window was read through; empty for text as it stands. beside: read in addition to the passage in the
    form that is judged, which makes the request no longer."""

    passage: int
    risk: float
    bridging: bool = False
    disguise: str = ""
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was read. `domain_tokens` is the bounded part that the domain head saw; `unread`
    names what no head can read (image, audio, file). disguises: the kinds of writing that passages or
    stretches of them were read through, decoded or folded. guarded_tokens: those of the form that the
    prompt guard judges, None if it is the text as it stands."""

    tokens: int = 0
    windows: int = 0
    memo_hits: int = 0
    domain_tokens: int = 0
    unread: tuple[str, ...] = ()
    disguises: tuple[str, ...] = ()
    guarded_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What the encoder's heads said, from one pass over all windows of one request.

    domain: class → calibrated probability of the routing text (empty if there is none).
    jailbreak: one entry per window. entities: spans of the PII head merged over windows.
    embedding: unit vector of the routing text, shape (dim,), float32.
    fact_check: P(the routing text asks for facts); None if the bundle has no such head.
    feedback: class → probability that the routing text comments on the previous answer, with one class
    for texts that do not (`NONE`); empty if the bundle has no such head. Both None or empty without
    routing text.
    """

    domain: Mapping[str, float] = field(default_factory=dict)
    jailbreak: tuple[WindowRisk, ...] = ()
    entities: tuple[Entity, ...] = ()
    embedding: NDArray[np.float32] | None = None
    fact_check: float | None = None
    feedback: Mapping[str, float] = field(default_factory=dict)
    coverage: Coverage = Coverage()
    seconds: float = 0.0


REMOTE_GUARD: Final = ("guard", "remote")
"""Type and name of the signal of a guard of others, which no rule can ask for."""


@dataclass(frozen=True, slots=True)
class Signal:
    """The outcome of one configured rule, e.g. type `domain`, name `math`.

    confidence is in [0, 1]; threshold is what it was held against, None if there is none.
    label is a sub-result (`hard` of a complexity rule). detail is content-free, for traces.
    error says why the signal could not be computed; then matched is False.
    value is what a rule's numeric `predicate` compares (a count, a similarity, a margin), the
    confidence where it is None; labels holds one such value per label of a rule that has several.
    seconds: what computing it took by itself, 0 for what came out of the one encoder pass.
    """

    type: str
    name: str
    matched: bool
    confidence: float = 1.0
    threshold: float | None = None
    label: str = ""
    detail: str = ""
    error: str = ""
    value: float | None = None
    labels: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str]:
        return (self.type, self.name)


@dataclass(frozen=True, slots=True)
class Facts:
    """One judged request. `readings` is None when the encoder could not answer; `encoder_error`
    then says why (content-free). `passages` are those of the request, in the same order.

    entities: what the PII head and the pattern recognisers found together. operating_points: the
    bundle's jailbreak thresholds for a request of this length, keyed `any` and `system`.
    """

    passages: tuple[Passage, ...]
    readings: Readings | None
    signals: Mapping[tuple[str, str], Signal]
    entities: tuple[Entity, ...] = ()
    encoder_error: str = ""
    operating_points: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
