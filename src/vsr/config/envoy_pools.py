"""Which back ends of a model one Envoy cluster may hold, so that Envoy can share requests out among them.

The processor prepares a request for the back end it drew. Envoy may send it to another one, at first or
when it tries again, only if that other would have been sent the very same: path, credentials and fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from vsr.config.envoy_values import safe_name
from vsr.config.policy import Backend, Model, Policy, Reliability


@dataclass(frozen=True, slots=True)
class Pool:
    """Back ends that are alike but for where they are; one cluster. They share a model, and are not empty."""

    backends: tuple[Backend, ...]
    reliability: Reliability

    @property
    def name(self) -> str:
        """Safe for Envoy's statistics, and distinct even where two differ only in odd characters."""
        if len(self.backends) == 1:
            return _distinct("backend", self.backends[0].name)
        return _distinct("pool", self.backends[0].model, *(one.name for one in self.backends))

    @property
    def retries(self) -> int:
        return self.reliability.retries(len(self.backends))


def pools(model: Model) -> tuple[Pool, ...]:
    """Every back end that requests may go to, in one pool each. Weight 0 takes a back end out, unless all
    have it."""
    groups: dict[object, list[Backend]] = {}
    for backend in [one for one in model.backends if one.weight > 0] or model.backends:
        groups.setdefault(_request_form(backend), []).append(backend)
    return tuple(Pool(tuple(group), model.reliability) for group in groups.values())


def all_pools(policy: Policy) -> tuple[Pool, ...]:
    """Every pool once: models may share one."""
    return tuple({pool.name: pool for model in policy.models.values() for pool in pools(model)}.values())


def routed(policy: Policy) -> Iterator[tuple[str, Backend, Pool]]:
    """Every name a request can be routed under, every back end the processor may draw, and its pool."""
    for model in policy.models.values():
        own = pools(model)
        for name in (model.name, *model.loras):
            yield from ((name, backend, pool) for pool in own for backend in pool.backends)


def _request_form(backend: Backend) -> object:
    return (
        backend.scheme,  # not in the request, but what a cluster speaks
        backend.base_path,
        backend.chat_path,
        backend.dialect,
        backend.auth_header,
        backend.auth_prefix,
        backend.api_key,
        backend.forward_authorization,
        backend.extra_headers,
    )


def _distinct(kind: str, name: str, *rest: str) -> str:
    safe = safe_name(name)
    if safe == name and not rest:
        return f"{kind}-{safe}"
    return f"{kind}-{safe}-{hashlib.sha256(chr(0).join((name, *rest)).encode()).hexdigest()[:8]}"
