"""One request through `judge`, `decide` and the exchange, without a back end: the trace and the outcome."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.chat.body import dump_json
from vsr.chat.request import parse_chat_request
from vsr.cli import source
from vsr.cli.output import complain
from vsr.cli.serve_options import ServeOptions
from vsr.config.headers import is_credential
from vsr.config.policy import Policy
from vsr.decisions.trace import Trace
from vsr.encoder.bundle import default_bundle_path
from vsr.exchange import CHAT_PATH, Answer, Attempt, Compose, Forward, RequestHead
from vsr.facts import Facts
from vsr.generation import Generation
from vsr.router import explain, judge


@dataclass(frozen=True, slots=True)
class Sent:
    """What would go to a back end, or, with a status, to the client at once."""

    to: str
    headers: Mapping[str, str]
    body: Any
    status: int = 0

    def as_dict(self) -> dict[str, Any]:
        answered = {"status": self.status} if self.status else {}
        return {"to": self.to, **answered, "headers": dict(self.headers), "body": self.body}


@dataclass(frozen=True, slots=True)
class Explanation:
    trace: Trace
    sent: Sent

    def as_dict(self) -> dict[str, Any]:
        return {**self.trace.as_dict(), "sent": self.sent.as_dict()}


async def explanation(body: dict[str, Any], config: Path | None, bundle: Path | None) -> Explanation:
    """Of a body without `model` the router chooses. Raises InvalidRequest, ConfigError and BundleError."""
    policy = await load_policy(config)
    body = {"model": policy.auto_name, **body}
    request = parse_chat_request(body)
    generation = await Generation.start(policy, bundle=bundle or default_bundle_path())
    try:
        sent, facts = await _sent(body, policy, generation)
        if facts is None:  # it was not judged: say why
            facts = await judge(request, policy, generation.encoder, signals=generation.signals)
        return Explanation(explain(request.model, facts, policy, state=generation.state), sent)
    finally:
        await generation.aclose()


async def load_policy(config: Path | None) -> Policy:
    options = ServeOptions(config=config)
    if source.uses_environment(options, os.environ):
        options = ServeOptions(models=source.list_models(os.environ))
    given = source.given(options, os.environ)
    for remark in given.loaded.remarks:
        complain(remark)
    return given.policy


async def _sent(body: dict[str, Any], policy: Policy, generation: Generation) -> tuple[Sent, Facts | None]:
    """The request through an exchange: what it says is what a door would carry out."""
    head = RequestHead(
        "POST", CHAT_PATH, (("content-type", "application/json"),), listener=policy.listeners[0].name
    )
    exchange = generation.exchange(head, "explain")
    try:
        action = await exchange.on_request_body(dump_json(body))
    finally:
        exchange.close()
    if isinstance(action, Answer):
        answered = Sent("the client", dict(action.headers), json.loads(action.body), action.status)
        return answered, exchange.facts
    if isinstance(action, Compose):
        members = ", ".join(action.members)
        return Sent(f"{members}, in several calls", {}, action.loop.body), exchange.facts
    return _forwarded(action), exchange.facts


def _forwarded(forward: Forward) -> Sent:
    attempt = forward.attempts[0]
    backend = attempt.backend
    url = f"{backend.scheme}://{backend.destination}{attempt.path}"
    return Sent(f"{backend.name} at {url}", _without_secrets(attempt), json.loads(forward.body))


def _without_secrets(attempt: Attempt) -> dict[str, str]:
    secret = attempt.backend.auth_header.lower()
    return {
        name: "<secret>" if name == secret or is_credential(name) else value
        for name, value in attempt.set_headers.items()
    }
