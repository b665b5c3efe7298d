"""How the servers of one model stand in for each other: the same rules for Envoy and for the gateway.

The words and their meaning are Envoy's, since that is where the format of the configuration has them from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RetryCondition = Literal[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-status-codes",
]
NOT_SERVED: Final = (502, 503)
"""A gateway's or server's own word that it did not serve the request, so that repeating it costs nothing."""

DEFAULT_RETRY_ON: Final[tuple[RetryCondition, ...]] = (
    "connect-failure",
    "refused-stream",
    "retriable-status-codes",
)
MAX_EJECTION: Final = 300.0
"""Seconds a server rests at most, however often it failed again."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`GET path` is to be answered with 200; it carries no credentials. Times in seconds; so many failures
    in a row take a server out, so many successes bring it back."""

    path: str
    interval: float = 10.0
    timeout: float = 2.0
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True, slots=True)
class Reliability:
    """retry_count: further tries of one request before its first byte; None: one for each other server.

    After consecutive_5xx failures in a row (5xx answers, no connection, no answer) a server rests for
    base_ejection_time seconds, longer each time it fails again; 0: never. At most max_ejection_percent
    of a model's servers rest at once, but one always may. If all rest, all are asked.
    """

    lb_policy: Literal["round_robin", "least_request"] = "round_robin"
    retry_count: int | None = None
    retry_on: tuple[RetryCondition, ...] = DEFAULT_RETRY_ON
    consecutive_5xx: int = 5
    base_ejection_time: float = 30.0
    max_ejection_percent: int = 100
    health_check: HealthCheck | None = None

    def retries(self, servers: int) -> int:
        return servers - 1 if self.retry_count is None else self.retry_count
