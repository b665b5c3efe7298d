"""Role bindings, from the request's head to the model that it reaches."""

from __future__ import annotations

import json

import pytest

from tests.config.documents import policy
from tests.scripted import ScriptedEncoder
from vsr.exchange import Exchange, Forward, RequestHead, Services
from vsr.signals.engine import SignalEngine
from vsr.telemetry import Metrics

ROUTING = """\
routing:
  signals:
    role_bindings: [{name: premium, role: premium, subjects: [{kind: Group, name: premium-tier}]}]
  decisions: [{name: best, rules: {type: authz, name: premium}, modelRefs: [{model: b}]}]
"""
KEYS = "listeners: [{api_keys: ['${PLAIN}', {key: '${RICH}', user: ann, groups: [premium-tier]}]}]\n"
PROXY = """\
listeners: [{identity_headers: trusted}]
global: {services: {authz: {identity: {user_id_header: X-User, user_groups_header: X-Groups}}}}
"""


async def forwarded(configuration: str, *headers: tuple[str, str]) -> Forward:
    given = policy(ROUTING + configuration, {"PLAIN": "plain", "RICH": "rich"})
    services = Services(given, ScriptedEncoder(), Metrics(), signals=SignalEngine(given))  # type: ignore[arg-type]
    exchange = Exchange(RequestHead("POST", "/v1/chat/completions", headers), services, door="test")
    assert exchange.on_request_headers() is None
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    step = await exchange.on_request_body(json.dumps(body).encode())
    exchange.close()
    assert isinstance(step, Forward), step
    return step


@pytest.mark.parametrize(("key", "model"), [("plain", "a"), ("rich", "b")])
async def test_a_key_of_a_group_reaches_the_groups_model(key: str, model: str) -> None:
    step = await forwarded(KEYS, ("authorization", f"Bearer {key}"))
    assert json.loads(step.body)["model"] == model


async def test_a_trusted_proxys_groups_count_and_no_back_end_sees_them() -> None:
    step = await forwarded(PROXY, ("x-user", "bob"), ("x-groups", "premium-tier"))
    assert json.loads(step.body)["model"] == "b"
    assert {"x-user", "x-groups"} <= step.attempts[0].remove_headers


async def test_a_client_that_names_its_own_group_gets_nothing_by_it() -> None:
    headers = (("x-authz-user-id", "bob"), ("x-authz-user-groups", "premium-tier"))
    step = await forwarded("", *headers)
    assert json.loads(step.body)["model"] == "a"
    assert {"x-authz-user-id", "x-authz-user-groups"} <= step.attempts[0].remove_headers
