"""How a request is built for a back end: its body, its path, its headers and its credentials.

What is sent was judged: the body is written anew from the parsed request, with only the router's own
edits. Which model and which back ends is the route's affair, calling them the door's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import unquote_plus

from vsr import headers as names
from vsr.chat.body import dump_json
from vsr.chat.edit import ask_for_usage, replace_spans, with_model
from vsr.chat.request import ChatRequest
from vsr.config.headers import printable
from vsr.config.policy import Backend, Policy
from vsr.exchange.front import CHAT_PATH
from vsr.exchange.values import Attempt, Compose, Forward
from vsr.guards.masking import placeholder
from vsr.identity.keys import CREDENTIAL_PARAMETER
from vsr.loopers.aids import Aids
from vsr.loopers.calls import Ask
from vsr.loopers.loop import Loop
from vsr.loopers.task import Ballot, Task
from vsr.plugins.header_mutation import apply as mutate_headers
from vsr.plugins.reasoning import apply as switch_reasoning
from vsr.plugins.system_prompt import apply as set_system_prompt
from vsr.route import HeaderMutation, Route, SystemPrompt
from vsr.router import for_member

_T = TypeVar("_T")

_OFF_LOOP: Final = 256 * 1024
"""Bytes of body from which on parsing and writing leave the event loop."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is the same for every model: the body, and headers to set and to remove."""

    body: dict[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Requests to models for one request of a client, whose headers (names in lower case) and query string
    these are. hidden: headers that no back end gets, beside those that are always reserved."""

    policy: Policy
    headers: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False)
    request_id: str
    hidden: frozenset[str] = frozenset()

    def prepare(self, route: Route, request: ChatRequest) -> Prepared:
        """Masked, with the decision's system prompt and headers."""
        body = request.body
        if route.mask:
            body = replace_spans(body, request.passages, route.mask, placeholder)
        headers: dict[str, str] = {}
        removed: frozenset[str] = frozenset()
        for plugin in route.plugins:
            if isinstance(plugin, SystemPrompt):
                body = set_system_prompt(body, plugin)
            elif isinstance(plugin, HeaderMutation):
                headers, removed = mutate_headers(self._passed_on(), plugin)
        return Prepared(body, headers, removed)

    def forward(self, route: Route, prepared: Prepared, *, stream: bool) -> Forward:
        """What depends on the model."""
        model = self.policy.models[route.model]
        backends = {backend.name: backend for backend in model.backends}
        first = backends[route.backends[0]]
        # one body goes to whichever answers, so all must speak the same dialect
        chosen = [backends[name] for name in route.backends if backends[name].dialect == first.dialect]
        body = prepared.body
        if model.reasoning_family is not None:
            body = switch_reasoning(
                body, model.reasoning_family, first.dialect, route.reasoning, route.reasoning_effort
            )
        body = with_model(body, route.model_id)
        if stream:
            body = ask_for_usage(body)
        return Forward(
            attempts=tuple(self._attempt(backend, route, prepared) for backend in chosen),
            body=dump_json(body),
            stream=stream,
            clear_route_cache=self.policy.clear_route_cache,
        )

    def compose(
        self,
        route: Route,
        request: ChatRequest,
        *,
        size: int,
        seed: int,
        aids: Aids,
        ballot: Ballot | None = None,
    ) -> Compose:
        """size: bytes of the request. Every call goes out as a forwarded request would: masked, with the
        decision's system prompt and headers, and with the credentials of its own back end."""
        prepared = self.prepare(route, request)
        policy = self.policy.for_model(request.model)
        decision = next(one for one in policy.decisions if one.name == route.decision)
        loop = Loop(
            Task(
                prepared.body,
                decision,
                policy,
                stream=request.stream,
                category=route.category,
                reveal=policy.reveal_headers,
                seed=seed,
                ballot=ballot,
                aids=aids,
            )
        )

        async def forward(ask: Ask) -> Forward:
            member = for_member(route, ask.ref, policy, seed + loop.ledger.calls)
            sent = Prepared(ask.body, prepared.headers, prepared.removed)
            return await maybe_off_loop(size, lambda: self.forward(member, sent, stream=ask.stream))

        return Compose(loop, forward, route.members)

    def _passed_on(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if not self._kept_back(name)}

    def _kept_back(self, name: str) -> bool:
        return names.is_reserved(name) or name in self.hidden

    def _attempt(self, backend: Backend, route: Route, prepared: Prepared) -> Attempt:
        headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",  # so that answers can be read
            names.REQUEST_ID: self.request_id,
            names.SELECTED_MODEL: printable(route.selected_model),
            names.DESTINATION: backend.destination,
            **dict(backend.extra_headers),
            **prepared.headers,
        }
        client = self.headers.get("authorization")
        if backend.api_key is not None:
            headers[backend.auth_header.lower()] = backend.auth_prefix + backend.api_key.reveal()
        elif backend.forward_authorization and client:
            headers["authorization"] = client
        path = backend.chat_path or backend.base_path.rstrip("/") + CHAT_PATH.removeprefix("/v1")
        if query := _without_keys(self.query):
            path += ("&" if "?" in path else "?") + query
        forbidden = {name for name in self.headers if self._kept_back(name)} | {"content-encoding"}
        return Attempt(backend, path, headers, frozenset((forbidden | prepared.removed) - headers.keys()))


def _without_keys(query: str) -> str:
    return "&".join(pair for pair in query.split("&") if not any(map(_names_a_key, pair.split(";"))))


def _names_a_key(pair: str) -> bool:
    return CREDENTIAL_PARAMETER.fullmatch(unquote_plus(pair.partition("=")[0]).lower()) is not None


async def maybe_off_loop(size: int, work: Callable[[], _T]) -> _T:
    """`work()`, in a thread if the body has many bytes."""
    return work() if size < _OFF_LOOP else await asyncio.to_thread(work)
