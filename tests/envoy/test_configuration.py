"""Envoy itself accepts what is generated, and refuses what is not a configuration."""

from __future__ import annotations

import pytest

from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.policy import Backend, Limits, Listener, Model, Policy, Timeouts
from vsr.doors.envoy_process import validate_with_envoy
from vsr.errors import ConfigError


def one(name: str, *backends: Backend, loras: tuple[str, ...] = ()) -> Policy:
    return Policy(models={name: Model(name, name, backends, loras=loras)})


ODD = '组/模型 "x"'

POLICIES = {
    "nothing configured": Policy(),
    "several listeners": Policy(listeners=(Listener("a", port=8801), Listener("b/ü", "0.0.0.0", port=8802))),
    "https by name": one("gpt", Backend("gpt", "gpt", "https", "api.example.com", 443)),
    "https by address": one("gpt", Backend("gpt", "gpt", "https", "10.0.0.1", 8443)),
    "IPv6": one("six", Backend("six", "six", "http", "::1", 8000)),
    "names of every kind": one(
        ODD,
        Backend("a b", ODD, "http", "host-a", 80),
        Backend("a_b", ODD, "http", "host-b", 80, weight=3),
        loras=("lora-1", "lora 2"),
    ),
    "other limits": Policy(
        limits=Limits(max_body_bytes=1024, max_concurrent_requests=1),
        timeouts=Timeouts(connect=0.05, first_token=0.5, idle=900),
        listeners=(Listener("short", timeout=0.5),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
async def test_envoy_accepts_the_configuration_of(policy: Policy) -> None:
    await validate_with_envoy(envoy_config(policy, EnvoyOptions(admin_port=9901)))


async def test_envoy_s_refusal_is_a_configuration_error_with_its_words() -> None:
    config = envoy_config(Policy())
    with pytest.raises(ConfigError, match="no_such_field"):
        await validate_with_envoy(config | {"no_such_field": 1})
