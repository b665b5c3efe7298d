"""Active health checks: asking back ends how they are, before a request finds out.

`GET` of the configured path, without credentials, answered with 200 in time. What the results mean for
requests is `fleet`'s affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vsr.config.policy import Backend, HealthCheck, Policy, Timeouts
from vsr.errors import BackendTimeout, BadBackend
from vsr.providers.client import Call, Upstream

_LOOK = 1.0  # seconds between two looks whether the configuration has changed


class HealthChecks:
    """`run` until cancelled, for whatever configuration `policy` returns then."""

    def __init__(self, upstream: Upstream, policy: Callable[[], Policy]) -> None:
        self._upstream = upstream
        self._policy = policy

    async def run(self) -> None:
        while True:
            policy = self._policy()
            models = policy.models.values()
            self._upstream.fleet.keep(backend for model in models for backend in model.backends)
            watched = [
                (backend, model.reliability.health_check)
                for model in models
                for backend in model.backends
                if model.reliability.health_check is not None
            ]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._watch(backend, check)) for backend, check in watched]
                while self._policy() is policy:  # noqa: ASYNC110 # a configuration has no event
                    await asyncio.sleep(_LOOK)
                for task in tasks:
                    task.cancel()

    async def _watch(self, backend: Backend, check: HealthCheck) -> None:
        sick, streak = False, 0
        while True:
            contrary = await self._passes(backend, check) is sick
            streak = streak + 1 if contrary else 0
            if streak == (check.healthy_after if sick else check.unhealthy_after):
                sick, streak = not sick, 0
                self._upstream.fleet.checked(backend, healthy=not sick)
            await asyncio.sleep(check.interval)

    async def _passes(self, backend: Backend, check: HealthCheck) -> bool:
        timeouts = Timeouts(connect=check.timeout, first_token=check.timeout, idle=check.timeout)
        try:
            response = await self._upstream.call(Call(backend, "GET", check.path, [], b""), timeouts)
        except (BadBackend, BackendTimeout):
            return False
        response.close()
        return response.status == 200
