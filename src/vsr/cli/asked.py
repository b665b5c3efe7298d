"""Many requests through `judge` and `decide`, and what became of each. Nothing is sent anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vsr.chat.request import parse_chat_request
from vsr.decisions.plain import plugin_name
from vsr.decisions.projections import project
from vsr.errors import RequestError
from vsr.generation import Generation
from vsr.route import Route
from vsr.router import decide, judge

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """signals: the matched ones, as (type, name), with a label `name:label`. values: of all that were
    computed. error: why it could not be judged; the route is None then."""

    route: Route | None
    signals: frozenset[tuple[str, str]] = frozenset()
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    milliseconds: float = 0.0
    error: str = ""

    @property
    def decision(self) -> str:
        return self.route.decision if self.route else ""

    @property
    def model(self) -> str:
        return self.route.selected_model if self.route else ""

    @property
    def plugins(self) -> frozenset[str]:
        return frozenset(plugin_name(plugin) for plugin in self.route.plugins) if self.route else frozenset()


async def ask_all(
    generation: Generation, bodies: Sequence[dict[str, Any]], done: Callable[[int], None] = lambda count: None
) -> list[Asked]:
    """In the order of `bodies`, which are chat requests. `done` is told of each one more."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(body: dict[str, Any]) -> Asked:
        async with gate:
            asked = await _ask(generation, body)
        done(1)
        return asked

    return list(await asyncio.gather(*(one(body) for body in bodies)))


async def _ask(generation: Generation, body: dict[str, Any]) -> Asked:
    policy = generation.policy
    try:
        request = parse_chat_request(body)
        facts = await judge(request, policy, generation.encoder, signals=generation.signals)
    except RequestError as error:
        return Asked(None, error=error.message)
    route = decide(request.model, facts, policy, state=generation.state)
    seen = project(policy.for_model(request.model).projections, facts.signals).signals
    matched = [one for one in seen.values() if one.matched]
    names = {(one.type, one.name) for one in matched}
    labelled = {(one.type, f"{one.name}:{one.label}") for one in matched if one.label}
    values = {
        (one.type, one.name): one.confidence if one.value is None else one.value
        for one in seen.values()
        if not one.error
    }
    return Asked(route, frozenset(names | labelled), values, facts.seconds * 1000)
