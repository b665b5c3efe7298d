"""What passes between a door and an exchange: heads that come in, and what is to be done. No behaviour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vsr.config.policy import Backend, Policy
from vsr.encoder.encoder import Encoder
from vsr.loopers.aids import Aids
from vsr.loopers.calls import Ask
from vsr.loopers.loop import Loop
from vsr.selection.memory import Memory
from vsr.selection.state import Knowledge
from vsr.signals.engine import SignalEngine
from vsr.telemetry import Metrics

Headers = Sequence[tuple[str, str]]
"""Header fields in order, names in lower case."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """path is raw (still percent-encoded, without the query string); listener names where it came in."""

    method: str
    path: str
    headers: Headers
    query: str = ""
    listener: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer made here (also a whole event stream, if the client asked for one)."""

    status: int
    headers: Headers
    body: bytes
    detail: str = ""  # short machine word for Envoy's RESPONSE_CODE_DETAILS and the access log


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to call one back end: raw path with query, headers to set and to remove first."""

    backend: Backend
    path: str
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forward:
    """Send `body` to the first attempt's back end; the others are for retries before the first byte.
    Behind Envoy only the first is used. stream: the client asked for an event stream."""

    attempts: tuple[Attempt, ...]
    body: bytes
    stream: bool
    clear_route_cache: bool = True


@dataclass(frozen=True, slots=True)
class Compose:
    """Run `loop`, whose calls to models are made as `forward` says, and treat what it brings like a back
    end's answer. members: the models that it may call."""

    loop: Loop
    forward: Callable[[Ask], Awaitable[Forward]]
    members: tuple[str, ...]


Action = Answer | Forward | Compose


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head to send to the client. buffered: the body must arrive whole in one `on_response_body`
    (so that garbage can still become a 502); otherwise feed chunks as they come."""

    status: int
    set_headers: Mapping[str, str]
    remove_headers: frozenset[str]
    buffered: bool


@dataclass(frozen=True, slots=True)
class Services:
    """What an exchange uses of its generation, taken when it starts. created: Unix time since when the
    configuration is live."""

    policy: Policy
    encoder: Encoder | None
    metrics: Metrics
    running: int = 1
    seed: int = 0
    ready: bool = True
    created: int = 0
    memory: Memory = field(default_factory=Memory)
    knowledge: Knowledge = field(default_factory=Knowledge)
    signals: SignalEngine | None = None
    aids: Aids = field(default_factory=Aids)
