"""Envoy itself accepts what is generated, and refuses what is not a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.config.test_examples import ENV, EXAMPLES
from vsr.config.dialects import DIALECTS
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.envoy_destinations import destinations
from vsr.config.load import load_policy, load_text
from vsr.config.policy import (
    Backend,
    HealthCheck,
    Limits,
    Listener,
    Model,
    Policy,
    Reliability,
    Timeouts,
)
from vsr.doors.envoy_process import validate_with_envoy
from vsr.errors import ConfigError

EVERYTHING = Reliability(
    "least_request", 4, ("5xx", "gateway-error", "reset", "retriable-status-codes"), 2, 600, 50,
    HealthCheck("/health?x=1", 5, 1),
)  # fmt: skip


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
    **{
        f"a pool of {name}": replace(
            policy, models={"m": replace(policy.models["m"], reliability=reliability)}
        )
        for reliability, kind in ((Reliability(), ""), (EVERYTHING, " and everything"))
        for name, policy in {
            f"addresses{kind}": one("m", *(Backend(f"m/{i}", "m", "http", f"10.0.0.{i}", 1) for i in (1, 2))),
            f"names and addresses{kind}": one(
                "m",
                *(Backend(f"m/{host}", "m", "http", host, 80, weight=2) for host in ("h", "10.0.0.1", "::1")),
            ),
            f"secure names and addresses{kind}": one(
                "m",
                *(Backend(f"m/{host}", "m", "https", host, 443) for host in ("a.example", "b.b", "10.1.1.1")),
            ),
        }.items()
    },
    "a single secure server with everything": Policy(
        models={"m": Model("m", "m", (Backend("m", "m", "https", "h", 443),), reliability=EVERYTHING)}
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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_envoy_accepts_the_configuration_of_every_example(path: Path) -> None:
    await validate_with_envoy(envoy_config(load_policy(path, ENV)))


@pytest.mark.parametrize("provider", DIALECTS)
async def test_envoy_accepts_the_configuration_for_every_provider(provider: str) -> None:
    base = "https://h.example" + ("/v1/endpoints/openapi" if provider == "vertex-ai" else "")
    document = f"""
version: v0.3
providers:
  defaults: {{default_model: m}}
  models:
    - name: m
      reliability: {{retry_count: 2, health_check_path: /health}}
      backend_refs:
        - {{name: one, provider: {provider}, base_url: "{base}", api_key_env: K, api_version: preview,
           extra_headers: {{OpenAI-Organization: org}}}}
        - {{name: two, provider: {provider}, base_url: "{base}", api_key_env: K, api_version: preview,
           extra_headers: {{OpenAI-Organization: org}}}}
"""
    await validate_with_envoy(envoy_config(load_text(document, "f.yaml", {"K": "key"}).policy))


async def test_envoy_accepts_allowed_destinations() -> None:
    allowed = destinations(["10.0.1.0/24:8000", "[::1]:9000", "10.1.1.1:80"])
    await validate_with_envoy(envoy_config(Policy(), EnvoyOptions(destinations=allowed)))
