"""From the door behind Envoy to the gateway of the same router: requests that Envoy must let us answer.

An external processor cannot stream an answer of its own. So Envoy sends such a request to a listener of
ours on loopback, with a token that only this router knows and a reference to the exchange that was judged,
which waits here. Envoy drops both headers from what clients send; no other listener looks at them.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from vsr.config.envoy import LOOPBACK_MODEL
from vsr.config.policy import Policy
from vsr.doors.caller import Caller, request_head
from vsr.doors.gateway import Gateway
from vsr.errors import ClientGone, NotFound
from vsr.exchange import Answer, Compose, Exchange
from vsr.generation import Live
from vsr.headers import DESTINATION, SELECTED_MODEL
from vsr.providers.client import Upstream

logger = logging.getLogger(__name__)

TOKEN = "x-vsr-internal-auth"
REFERENCE = "x-vsr-looper-request"
LISTENER = "x-vsr-looper-listener"

_TTL = 30.0  # seconds that a parcel may wait; Envoy comes at once or not at all
_ANSWER_STALL = 60.0


@dataclass(frozen=True, slots=True)
class Parcel:
    """A judged exchange and what is to be done. Whoever takes it closes the exchange."""

    exchange: Exchange
    compose: Compose
    policy: Policy
    left: float


class Hop:
    """Parcels of one process, which leave with their requests: as many at most as requests run. token: of
    the router, whose workers share the port; a new one by default."""

    def __init__(
        self, token: str = "", *, port: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.port = port
        self._clock = clock
        self._token = token or secrets.token_urlsafe(32)
        self._parcels: dict[str, Parcel] = {}

    def leave(self, exchange: Exchange, compose: Compose, policy: Policy) -> str:
        """The reference by which the parcel can be taken, once."""
        reference = secrets.token_urlsafe(16)
        self._parcels[reference] = Parcel(exchange, compose, policy, self._clock())
        return reference

    def take(self, reference: str) -> Parcel | None:
        parcel = self._parcels.pop(reference, None)
        if parcel is not None and self._clock() - parcel.left > _TTL:
            self._parcels[reference] = parcel  # its session still closes it
            return None
        return parcel

    def forget(self, reference: str) -> bool:
        """Whether it was still there: then its exchange is the caller's to close."""
        return self._parcels.pop(reference, None) is not None

    def trusts(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    def headers(self, reference: str, listener: str) -> dict[str, str]:
        """What makes Envoy send a request here, and what it must show on arrival."""
        return {
            SELECTED_MODEL: LOOPBACK_MODEL,
            DESTINATION: f"127.0.0.1:{self.port}",
            TOKEN: self._token,
            REFERENCE: reference,
            LISTENER: listener,
        }


class Loopback:
    """The ASGI application of the listener on loopback. Without the token nothing is here."""

    def __init__(self, live: Live, upstream: Upstream, hop: Hop) -> None:
        self._live = live
        self._upstream = upstream
        self._hop = hop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        fields = dict(request_head(scope, "").headers)
        if not self._hop.trusts(fields.get(TOKEN, "")):
            await _nothing_here(receive, send)
            return
        gateway = Gateway(self._live, self._upstream, listener=fields.get(LISTENER, ""))
        own = {name.encode() for name in (TOKEN, REFERENCE, LISTENER, SELECTED_MODEL, DESTINATION)}
        scope = {**scope, "headers": [field for field in scope["headers"] if field[0] not in own]}
        parcel = self._hop.take(fields.get(REFERENCE, ""))
        if parcel is not None:
            await gateway.compose(scope, receive, send, parcel.exchange, parcel.compose, parcel.policy)
            return
        # left in another worker: the request is whole, so it is judged here as any other
        await gateway(scope, receive, send)


async def _nothing_here(receive: Receive, send: Send) -> None:
    error = NotFound("Unknown path.")
    caller = Caller(receive, send, upload=_ANSWER_STALL, stall=_ANSWER_STALL)
    try:
        await caller.answer(Answer(error.http_status, tuple(error.headers().items()), error.body()))
    except ClientGone:
        logger.debug("a client of the loopback listener left")
