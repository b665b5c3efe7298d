"""Trying the back ends of a model in order, only while nothing of an answer has reached the client.

A model call costs money and may have effects (tools, stored responses), so by default a request that a
back end has accepted is not sent again, with one exception: 502 and 503 are a gateway's or server's own
word that it did not serve the request. Where they are repeated, so is what a back end refused for the
router's credential, with the others. A configuration can ask for more with Envoy's `retry_on`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from vsr.config.policy import Reliability, Timeouts
from vsr.config.policy_reliability import NOT_SERVED
from vsr.errors import BackendTimeout, BadBackend
from vsr.providers.client import Call, ConnectFailed, ConnectTimedOut, Upstream, UpstreamResponse
from vsr.providers.credentials import CredentialRefused, credential_refused

logger = logging.getLogger(__name__)

_PAUSE = 0.025  # seconds before a back end is asked once more, doubled each time, as Envoy does
_LONGEST_PAUSE = 0.25
_DEFAULT = Reliability()


async def call_first(
    upstream: Upstream, calls: Sequence[Call], timeouts: Timeouts, reliability: Reliability = _DEFAULT
) -> UpstreamResponse:
    """The first answer worth passing on; the last try's answer or error is final."""
    fleet, backends = upstream.fleet, [call.backend for call in calls]
    order = fleet.order(backends, reliability)
    tries = 1 + reliability.retries(len(calls))
    for number in range(tries):
        await _pause(number // len(order))
        call = calls[order[number % len(order)]]
        try:
            response = await _call(upstream, call, timeouts, reliability)
        except (BadBackend, BackendTimeout) as error:
            reason = _reason(error)
            fleet.failed(call.backend, reason, backends, reliability)
            asked_all = reason == "credential" and number + 1 >= len(order)  # once more changes nothing
            if number + 1 == tries or asked_all or not _after_error(reason, reliability):
                raise
        else:
            if response.status < 500:
                fleet.served(call.backend)
            else:
                fleet.failed(call.backend, "status", backends, reliability)
            if number + 1 == tries or not _after_status(response.status, reliability):
                return response
            response.close()
            reason = "status"
        logger.warning("back end %s: %s; trying again", call.backend.name, reason)
        if fleet.metrics is not None:
            fleet.metrics.backend_retries.labels(model=call.backend.model, reason=reason).inc()
    raise AssertionError("the last try returns or raises")


async def _call(
    upstream: Upstream, call: Call, timeouts: Timeouts, reliability: Reliability
) -> UpstreamResponse:
    fleet, backend = upstream.fleet, call.backend
    fleet.began(backend, reliability)
    counted = reliability.lb_policy == "least_request"
    try:
        response = await upstream.call(call, timeouts)
        refusal = credential_refused(backend, response.status)
        if refusal is not None:
            response.close()
            raise refusal
    except BaseException as error:
        if counted:
            fleet.ended(backend)
        if not isinstance(error, BadBackend | BackendTimeout):
            fleet.abandoned(backend)
        raise
    if counted:
        response.on_close(lambda: fleet.ended(backend))
    return response


async def _pause(rounds: int) -> None:
    """All back ends have been asked `rounds` times."""
    if rounds:
        longest = min(_PAUSE * 2 ** (rounds - 1), _LONGEST_PAUSE)
        await asyncio.sleep(longest * random.random())


def _reason(error: BadBackend | BackendTimeout) -> str:
    if isinstance(error, ConnectFailed | ConnectTimedOut):
        return "connect"
    if isinstance(error, CredentialRefused):
        return "credential"
    return "timeout" if isinstance(error, BackendTimeout) else "reset"


def _after_error(reason: str, reliability: Reliability) -> bool:
    if reason == "credential":
        return "retriable-status-codes" in reliability.retry_on
    asked = {"5xx", "gateway-error", "reset"}
    if reason == "connect":
        asked |= {"connect-failure", "reset-before-request"}
    return not asked.isdisjoint(reliability.retry_on)


def _after_status(status: int, reliability: Reliability) -> bool:
    conditions = reliability.retry_on
    return (
        (status >= 500 and "5xx" in conditions)
        or (status in (502, 503, 504) and "gateway-error" in conditions)
        or (status in NOT_SERVED and "retriable-status-codes" in conditions)
    )
