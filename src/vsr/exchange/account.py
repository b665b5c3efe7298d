"""What one request came to: counted, timed, remembered and logged once, at its end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from vsr.chat.request import ChatRequest
from vsr.chat.response import Usage
from vsr.exchange.values import Services
from vsr.loopers.loop import Loop
from vsr.route import Route
from vsr.selection.memory import Turn
from vsr.signals.context import estimate_tokens

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Account:
    """Filled while the exchange goes on. code: of the error, empty while all is well. Times are those of
    `time.perf_counter`, 0 for what did not happen. elsewhere: another process answers, and counts it."""

    services: Services
    door: str
    request_id: str
    started: float = field(default_factory=time.perf_counter)
    principal: str = ""
    request: ChatRequest | None = None
    route: Route | None = None
    turn: Turn | None = None
    loop: Loop | None = None
    sent: float = 0.0
    first_byte: float = 0.0
    usage: Usage | None = None
    status: int = 0
    code: str = ""
    elsewhere: bool = False

    def arrived(self) -> None:
        """The first byte of the answer is there."""
        self.first_byte = self.first_byte or time.perf_counter()

    def settle(self, *, client_gone: bool) -> None:
        """Once, when all is over."""
        if self.elsewhere:
            return
        if client_gone:
            self.status, self.code = 499, "client_closed_request"
        metrics = self.services.metrics
        metrics.requests.labels(door=self.door, status=str(self.status), code=self.code or "ok").inc()
        if self.route is not None:
            self._settle(self.route)
        self._log()

    def _settle(self, route: Route) -> None:
        metrics, usage = self.services.metrics, self.usage
        metrics.routed(route, self.code)
        if self.loop is not None:
            algorithm, ledger = self.loop.algorithm, self.loop.ledger
            metrics.composed(algorithm, ledger.lines())
            metrics.fell_back(algorithm, route.decision, ledger.fallbacks)
        if route.model and self.sent and self.first_byte:
            metrics.timed(route, self.first_byte - self.sent, time.perf_counter() - self.sent)
        if usage is not None and self.loop is None:
            metrics.used(route, usage.prompt_tokens, usage.completion_tokens)
            self._calibrate(usage)
        self._remember(route, success=not self.code and 200 <= self.status < 300)

    def _calibrate(self, usage: Usage) -> None:
        """What the back end counted improves the estimate; images and files would only blur it."""
        engine, request = self.services.signals, self.request
        if engine is not None and request is not None and not request.unread:
            engine.calibration.observe(estimate_tokens(request.passages), usage.prompt_tokens)

    def _remember(self, route: Route, *, success: bool) -> None:
        if self.turn is None:
            return
        # of the call that answered, without what led to it
        usage = self.usage if self.loop is None else self.loop.ledger.last
        self.turn.ended(
            route,
            self.services.policy,
            success=success and bool(self.first_byte),
            first=self.first_byte - self.sent,
            whole=time.perf_counter() - self.sent,
            prompt_tokens=usage.prompt_tokens if usage else 0,
            completion_tokens=usage.completion_tokens if usage else 0,
        )

    def _log(self) -> None:
        route = self.route
        logger.info(
            "request",
            extra={
                "request_id": self.request_id,
                "door": self.door,
                "principal": self.principal,
                "status": self.status,
                "code": self.code or "ok",
                "decision": route.decision if route else "",
                "category": route.category if route else "",
                "model": route.model if route else "",
                "milliseconds": round((time.perf_counter() - self.started) * 1000, 2),
            },
        )
