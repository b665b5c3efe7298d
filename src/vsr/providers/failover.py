"""Trying the back ends of a model in order, only while nothing of an answer has reached the client.

A model call costs money and may have effects (tools, stored responses), so a request that a back end
has accepted is never sent to another one, with one exception: 502 and 503 are a gateway's or server's
own word that it did not serve the request.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vsr.config.policy import Timeouts
from vsr.errors import RequestError
from vsr.providers.client import Call, ConnectFailed, ConnectTimedOut, Upstream, UpstreamResponse

logger = logging.getLogger(__name__)

_NOT_SERVED = frozenset({502, 503})


async def call_first(upstream: Upstream, calls: Sequence[Call], timeouts: Timeouts) -> UpstreamResponse:
    """The first answer worth passing on; the last back end's answer or error is final."""
    for call in calls[:-1]:
        try:
            response = await upstream.call(call, timeouts)
        except (ConnectFailed, ConnectTimedOut) as error:
            _note(call, error)
            continue
        if response.status not in _NOT_SERVED:
            return response
        response.close()
        logger.warning("back end %s answered %d; trying the next", call.backend.name, response.status)
    return await upstream.call(calls[-1], timeouts)


def _note(call: Call, error: RequestError) -> None:
    logger.warning("back end %s: %s; trying the next", call.backend.name, error.error_code)
