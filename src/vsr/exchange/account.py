"""What one request came to: counted, timed, remembered and logged once, at its end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from vsr.chat.request import ChatRequest
from vsr.chat.response import Usage
from vsr.decisions.plain import plugin_name
from vsr.exchange.values import Services
from vsr.loopers.loop import Loop
from vsr.route import FastResponse, Route
from vsr.selection.memory import Turn
from vsr.selection.observations import per_token
from vsr.signals.context import estimate_tokens

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Account:
    """Filled while the exchange goes on. code: of the error, empty while all is well. Times are those of
    `time.perf_counter`, 0 for what did not happen. streamed: the answer comes as events. elsewhere:
    another process answers, and counts it."""

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
    streamed: bool = False
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
        metrics.applied(route.decision, _applied(route))
        if route.instead_of and self.loop is None:  # a loop's ledger says the same, and why
            metrics.fell_back(route.instead_of, route.decision, {"unselectable": 1})
        if self.loop is not None:
            algorithm, ledger = self.loop.algorithm, self.loop.ledger
            metrics.composed(algorithm, ledger.lines())
            metrics.fell_back(algorithm, route.decision, ledger.fallbacks)
            for name, bill in ledger.bills.items():
                self._pay(name, bill.prompt_tokens, bill.completion_tokens, bill.cached_tokens)
            usage = ledger.last  # of the call that answered, without what led to it
        elif usage is not None:
            metrics.used(route, usage.prompt_tokens, usage.completion_tokens)
            self._pay(route.selected_model, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
            self._calibrate(usage)
        self._remember(route, usage or Usage())

    def _remember(self, route: Route, usage: Usage) -> None:
        first, whole = self.first_byte - self.sent, time.perf_counter() - self.sent
        token = first if self.streamed else None
        if route.model and self.sent and self.first_byte:
            metrics = self.services.metrics
            metrics.timed(route, first, whole, per_token(token, whole, usage.completion_tokens))
        if self.turn is not None:
            self.turn.ended(
                route,
                success=not self.code and 200 <= self.status < 300 and bool(self.first_byte),
                first=token,
                whole=whole,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
            )

    def _pay(self, name: str, prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> None:
        """What a model, or a LoRA of one, has cost, as far as there is a price."""
        models = self.services.policy.models.values()
        pricing = next((one.pricing for one in models if name in (one.name, *one.loras)), None)
        if pricing is not None:
            cost = pricing.cost(prompt_tokens, completion_tokens, cached_tokens)
            self.services.metrics.cost.labels(model=name, currency=pricing.currency).inc(cost)

    def _calibrate(self, usage: Usage) -> None:
        """What the back end counted improves the estimate; images and files would only blur it."""
        engine, request = self.services.signals, self.request
        if engine is not None and request is not None and not request.unread:
            engine.calibration.observe(estimate_tokens(request.passages), usage.prompt_tokens)

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
                "model": route.selected_model if route else "",
                "milliseconds": round((time.perf_counter() - self.started) * 1000, 2),
            },
        )


def _applied(route: Route) -> list[str]:
    """The plugins that did something: where one answers, the others have no request to work on."""
    if route.outcome not in ("forward", "compose", "answer"):
        return []
    answered = route.outcome == "answer"
    return [plugin_name(one) for one in route.plugins if isinstance(one, FastResponse) == answered]
