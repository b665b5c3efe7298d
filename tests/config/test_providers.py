"""What each provider is asked, and what `reliability` means, from the file to the policy."""

from __future__ import annotations

import pytest

from tests.config.documents import PROVIDERS, complaints, load
from vsr.config.dialects import DIALECTS
from vsr.config.policy import Backend, HealthCheck, Reliability
from vsr.config.policy_reliability import DEFAULT_RETRY_ON

AZURE = "provider: azure-openai, base_url: 'https://x.openai.azure.com"
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi"


def text(fields: str, model: str = "") -> str:
    other = '{name: b, backend_refs: [{endpoint: "127.0.0.1:9002"}]}'
    return PROVIDERS.replace(other, f"{{name: b, {model} backend_refs: [{{{fields}}}]}}")


def backend(fields: str) -> Backend:
    return load(text(fields), {"K": "key"}).policy.models["b"].backends[0]


def path(one: Backend) -> str:
    return one.chat_path or f"{one.base_path}/chat/completions"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ("provider: openai", "https://api.openai.com:443/v1/chat/completions"),
        ("provider: anthropic", "https://api.anthropic.com:443/v1/chat/completions"),
        (
            "provider: gemini",
            "https://generativelanguage.googleapis.com:443/v1beta/openai/chat/completions",
        ),
        ("provider: minimax", "https://api.minimax.io:443/v1/chat/completions"),
        (
            "provider: bedrock, base_url: 'https://bedrock-runtime.us-west-2.amazonaws.com'",
            "https://bedrock-runtime.us-west-2.amazonaws.com:443/openai/v1/chat/completions",
        ),
        (
            f"provider: vertex-ai, base_url: '{VERTEX}'",
            VERTEX.replace(".com/", ".com:443/") + "/chat/completions",
        ),
        (AZURE + "'", "https://x.openai.azure.com:443/openai/v1/chat/completions"),
        (
            AZURE + "', api_version: '2024-10-21'",
            "https://x.openai.azure.com:443/openai/deployments/b/chat/completions?api-version=2024-10-21",
        ),
        (
            AZURE + "/openai/v1', api_version: preview",
            "https://x.openai.azure.com:443/openai/v1/chat/completions?api-version=preview",
        ),
        ("endpoint: 'h:1', provider: vllm", "http://h:1/v1/chat/completions"),
        ("endpoint: 'h:1', chat_path: '/c?a=1', api_version: v2", "http://h:1/c?a=1&api-version=v2"),
    ],
)
def test_a_provider_is_asked_at(fields: str, url: str) -> None:
    one = backend(fields)
    assert f"{one.scheme}://{one.destination}{path(one)}" == url


def test_every_provider_has_a_case_above() -> None:
    assert set(DIALECTS) == {
        *("vllm", "openai", "azure-openai", "anthropic", "bedrock", "gemini", "vertex-ai", "minimax")
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "provider: gemini, base_url: 'https://h/v1beta'",
            "ends with /openai: Gemini's own API is not spoken",
        ),
        ("provider: vertex-ai, base_url: 'https://h/v1'", "ends with /endpoints/openapi"),
        ("provider: bedrock, base_url: 'https://h/model'", "asks for AWS signatures"),
        ("provider: anthropic, chat_path: /v1/messages", "Anthropic's Messages API is not spoken"),
        ("provider: bedrock", "needs either endpoint (host:port) or base_url"),
        ("endpoint: 'h:1', api_version: 'a b'", "must be a version such as 2024-10-21"),
    ],
)
def test_a_provider_s_own_protocol_is_refused_with_the_reason(fields: str, expected: str) -> None:
    (message,) = complaints(text(fields))
    assert expected in message


@pytest.mark.parametrize("provider", [name for name in DIALECTS if name != "azure-openai"])
def test_keys_go_into_authorization(provider: str) -> None:
    base = VERTEX if provider == "vertex-ai" else "https://h"
    one = backend(f"provider: {provider}, base_url: '{base}', api_key_env: K")
    assert (one.auth_header, one.auth_prefix) == ("authorization", "Bearer ")


def test_azure_s_key_goes_bare_into_its_own_header() -> None:
    one = backend(AZURE + "', api_key_env: K")
    assert (one.auth_header, one.auth_prefix) == ("api-key", "")


def test_hosted_providers_are_told_to_reason_as_openai_is() -> None:
    assert {name for name, one in DIALECTS.items() if one.fields == "vllm"} == {"vllm"}


# ---------------------------------------------------------------- reliability

ALL = """reliability: {lb_policy: least_request, retry_count: 3, retry_on: 'connect-failure, refused-stream',
      consecutive_5xx: 2, base_ejection_time: 1m, max_ejection_percent: 50,
      health_check_path: /health, health_check_interval: 5s, health_check_timeout: 500ms},"""


def test_every_key_of_reliability_arrives() -> None:
    assert load(text("endpoint: 'h:1'", ALL)).policy.models["b"].reliability == Reliability(
        "least_request",
        3,
        ("connect-failure", "refused-stream"),
        2,
        60.0,
        50,
        HealthCheck("/health", 5.0, 0.5),
    )


def test_defaults_repeat_nothing_that_a_server_may_have_begun() -> None:
    own = load(PROVIDERS).policy.models["a"].reliability
    assert own == Reliability()
    assert own.retry_on == DEFAULT_RETRY_ON
    assert (own.retries(1), own.retries(3)) == (0, 2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("retry_on: 5xxx", "'5xxx' is no condition for a retry; did you mean '5xx'?"),
        ("retry_on: cancelled", "is no condition for a retry; known: 5xx, gateway-error"),
        ("retry_on: connect-failure", "nothing is retried unless retry_count says how often"),
        ("health_check_path: health", "must begin with '/'"),
        ("health_check_interval: 5s", "health checks need a health_check_path"),
        ("max_ejection_percent: 101", "less than or equal to 100"),
        ("lb_policy: random", "round_robin"),
    ],
)
def test_reliability_that_cannot_be_carried_out_is_refused(fields: str, expected: str) -> None:
    found = complaints(text("endpoint: 'h:1'", f"reliability: {{{fields}}},"))
    assert len(found) == 1
    assert expected in found[0]


def test_retries_that_may_be_billed_twice_are_pointed_out() -> None:
    loaded = load(text("endpoint: 'h:1'", "reliability: {retry_on: 5xx, retry_count: 1},"))
    assert [one.message for one in loaded.warnings if "billed twice" in one.message]
