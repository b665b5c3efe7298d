"""How the simulated server behaves: speed and faults, for all requests or asked for by one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from vsr.errors import InvalidRequest

FaultKind = Literal["status", "stall", "stall-midway", "cut", "garbage", "slow-headers", "reset", "html"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a chat completion.

    status        an error answer with that status.
    stall         the request is read and never answered.
    stall-midway  the first half of the answer, then silence on an open connection.
    cut           the first half of the answer, then the connection is closed.
    garbage       a body, or an event in a stream, that is not JSON.
    slow-headers  the status line, and the headers never end.
    reset         the connection is reset before anything is answered.
    html          a web page with status 200, as a misplaced proxy would send it.
    """

    kind: FaultKind
    status: int = 503


@dataclass(frozen=True, slots=True)
class Settings:
    """models: names it answers to, in the order of its list; none means any name.
    first_token: seconds before the first token. tokens_per_second: 0 sends them all at once.
    keep_requests: how many received requests are remembered for tests. script: pairs of a text and an
    answer; the first whose text is in the last user message is answered. logprob: of every token, for a
    request that asks for log-probabilities; None sends none, as some servers do."""

    models: tuple[str, ...] = ()
    first_token: float = 0.0
    tokens_per_second: float = 0.0
    fault: Fault | None = None
    api_key: str = field(default="", repr=False)
    keep_requests: int = 100
    script: tuple[tuple[str, str], ...] = ()
    logprob: float | None = -0.05
    max_body_bytes: int = 256 * 1024 * 1024

    def for_request(self, headers: Mapping[str, str]) -> Settings:
        """These settings as changed by the `x-sim-*` headers of one request."""
        if not any(name.startswith("x-sim-") for name in headers):
            return self
        fault = headers.get("x-sim-fault")
        return replace(
            self,
            first_token=_number(headers, "x-sim-first-token", self.first_token),
            tokens_per_second=_number(headers, "x-sim-tokens-per-second", self.tokens_per_second),
            fault=self.fault if fault is None else parse_fault(fault),
        )


def parse_fault(text: str) -> Fault | None:
    """`""` or `none`, a kind, or `status=503`."""
    kind, _, value = text.strip().partition("=")
    if kind in ("", "none"):
        return None
    if kind not in get_args(FaultKind):
        raise InvalidRequest(f"x-sim-fault is none or one of {', '.join(get_args(FaultKind))}")
    if kind != "status":
        return Fault(cast(FaultKind, kind))
    if not (value.isascii() and value.isdigit() and 200 <= int(value) <= 599):
        raise InvalidRequest("x-sim-fault: status needs a number from 200 to 599, as in status=503")
    return Fault("status", int(value))


def _number(headers: Mapping[str, str], name: str, default: float) -> float:
    text = headers.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise InvalidRequest(f"{name} is a number that is not negative")
    return value
