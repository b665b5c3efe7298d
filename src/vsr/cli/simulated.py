"""Simulated back ends for `vsr serve --simulate`: one server for each local address of the policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from vsr.config.endpoints import is_loopback
from vsr.config.policy import Policy
from vsr.errors import StartError
from vsr.simulator import Settings, SimulatorServer

TOKENS_PER_SECOND = 50.0


@asynccontextmanager
async def simulated(policy: Policy) -> AsyncIterator[None]:
    """Answer for every back end on this machine, under the names that it will be asked for."""
    async with AsyncExitStack() as stack:
        for (host, port), names in _addresses(policy).items():
            settings = Settings(models=names, tokens_per_second=TOKENS_PER_SECOND, keep_requests=0)
            try:
                await stack.enter_async_context(SimulatorServer(settings, host=host, port=port))
            except OSError as error:
                raise StartError(
                    f"cannot simulate models on {host}:{port}: {error.strerror}. Stop what uses this port, "
                    "set VSR_SIMULATOR_PORT, or give --no-simulate."
                ) from None
        yield


def _addresses(policy: Policy) -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for model in policy.models.values():
        for backend in model.backends:
            if backend.scheme == "http" and is_loopback(backend.host):
                address = (backend.host, backend.port)
                found[address] = (*found.get(address, ()), model.model_id, *model.loras)
    return found
