from __future__ import annotations

import pytest

from tests.config.documents import PROVIDERS, load, policy, warned
from vsr.cli.serve_options import ServeOptions
from vsr.cli.source import given
from vsr.config.load import load_text, text_from_openai_env
from vsr.config.policy import Backend, Branch, Leaf, ModelRef, Policy
from vsr.errors import ConfigError
from vsr.route import FastResponse, HeaderMutation, PiiPolicy, SystemPrompt


def backend(fields: str, env: dict[str, str] | None = None) -> Backend:
    text = PROVIDERS.replace('endpoint: "127.0.0.1:9002"', fields)
    return load(text, env).policy.models["b"].backends[0]


def test_the_smallest_document_takes_every_default_of_the_policy() -> None:
    loaded, default = policy(), Policy()
    for name in (
        "listeners",
        "auto_names",
        "strategy",
        "limits",
        "timeouts",
        "management",
        "unknown_model_status",
    ):
        assert getattr(loaded, name) == getattr(default, name)
    assert loaded.guards.jailbreak == default.guards.jailbreak
    assert loaded.guards.refusal_message == default.guards.refusal_message
    assert (loaded.guards.pii.mode, loaded.guards.pii.policy.allowed) == ("enforce", None)


# ---------------------------------------------------------------- back ends


def test_back_ends_are_named_after_their_model() -> None:
    text = PROVIDERS.replace(
        '{endpoint: "127.0.0.1:9002"}', "{name: gpu, endpoint: 'h:1'}, {endpoint: 'h:2'}"
    )
    assert [ref.name for ref in load(text).policy.models["b"].backends] == ["b/gpu", "b/1"]


@pytest.mark.parametrize(
    ("fields", "scheme", "destination", "path"),
    [
        ("endpoint: 'h:81'", "http", "h:81", "/v1"),
        ("endpoint: h", "http", "h:80", "/v1"),
        ("endpoint: h, protocol: https", "https", "h:443", "/v1"),
        ("endpoint: '[::1]:81'", "http", "[::1]:81", "/v1"),
        ("base_url: 'https://h'", "https", "h:443", "/v1"),
        ("base_url: 'https://h:8/'", "https", "h:8", "/v1"),
        ("base_url: 'https://h/api/v3/'", "https", "h:443", "/api/v3"),
    ],
)
def test_an_endpoint_or_a_base_url_says_where_a_back_end_is(
    fields: str, scheme: str, destination: str, path: str
) -> None:
    built = backend(fields)
    assert (built.scheme, built.destination, built.base_path) == (scheme, destination, path)


@pytest.mark.parametrize(
    ("fields", "dialect", "header", "prefix"),
    [
        ("endpoint: h", "vllm", "authorization", "Bearer "),
        ("base_url: 'https://api.openai.com/v1'", "openai", "authorization", "Bearer "),
        (
            "base_url: 'https://me.openai.azure.com/openai/v1', provider: azure-openai",
            "openai",
            "api-key",
            "",
        ),
        ("endpoint: h, provider: openai", "openai", "authorization", "Bearer "),
        ("endpoint: h, type: vllm, auth_header: X-Key", "vllm", "x-key", ""),
        ("endpoint: h, auth_prefix: Token", "vllm", "authorization", "Token "),
        ("endpoint: h, auth_prefix: ''", "vllm", "authorization", ""),
    ],
)
def test_the_provider_decides_dialect_and_credential_header(
    fields: str, dialect: str, header: str, prefix: str
) -> None:
    built = backend(fields)
    assert (built.dialect, built.auth_header, built.auth_prefix) == (dialect, header, prefix)


def test_a_key_can_be_named_by_its_variable() -> None:
    key = backend("endpoint: '127.0.0.1:1', api_key_env: K", {"K": "secret"}).api_key
    assert key is not None
    assert key.reveal() == "secret"


def test_the_model_id_is_the_one_for_the_back_ends_type_then_the_providers_then_the_name() -> None:
    def model_id(fields: str) -> str:
        text = PROVIDERS.replace("{name: b,", f"{{name: b, {fields}")
        return (
            load(text.replace('"127.0.0.1:9002"', '"127.0.0.1:9002", type: vllm')).policy.models["b"].model_id
        )

    assert model_id("") == "b"
    assert model_id("provider_model_id: B-7B,") == "B-7B"
    assert model_id("provider_model_id: B-7B, external_model_ids: {vllm: org/B, ollama: b7},") == "org/B"


def test_a_lora_named_as_a_model_is_served_by_its_owner() -> None:
    extra = (
        "routing:\n  modelCards: [{name: a, loras: [{name: tuned}]}]\n  signals:\n    domains:\n"
        "      - {name: math, model_scores: [{model: a, lora_name: tuned, score: 1}]}\n"
        "  decisions: [{name: d, modelRefs: [{model: tuned, use_reasoning: false}]}]\n"
    )
    loaded = policy(extra)
    assert loaded.models["a"].loras == ("tuned",)
    assert loaded.decisions[0].models == (ModelRef("a", "tuned"),)
    assert loaded.signals.domains[0].model_scores[0].lora == "tuned"


def test_a_lora_may_be_the_default_model() -> None:
    text = PROVIDERS.replace("default_model: a", "default_model: tuned")
    built = load(text + "routing: {modelCards: [{name: b, loras: [{name: tuned}]}]}\n").policy
    assert (built.default_model, built.default_lora) == ("b", "tuned")


# ---------------------------------------------------------------- routing


def test_rules_plugins_and_references_become_values() -> None:
    extra = """\
routing:
  strategy: confidence
  signals:
    domains: [{name: computer_science, description: code}]
    pii: [{name: p, threshold: 0.4, pii_types_allowed: [AGE, NO_PII], include_history: false}]
    jailbreak: [{name: j}]
  decisions:
    - name: d
      description: all of it
      priority: 3
      tier: 1
      rules:
        operator: and
        conditions:
          - {type: domain, name: computer_science}
          - {operator: NOT, conditions: [{type: jailbreak, name: j, on_error: match}]}
      modelRefs: [{model: a, weight: 2, reasoning_effort: high}]
      plugins:
        - {type: system_prompt, configuration: {system_prompt: Be brief., mode: insert}}
        - {type: header_mutation, configuration: {add: [{name: X-A, value: "1"}], delete: [X-B]}}
        - {type: fast_response, configuration: {message: Hi.}}
        - {type: pii, configuration: {pii_types_allowed: []}}
"""
    loaded = policy(extra)
    decision = loaded.decisions[0]
    assert loaded.strategy == "confidence"
    assert loaded.signals.domains[0].classes == {"computer science"}
    assert (loaded.signals.piis[0].threshold, loaded.signals.jailbreaks[0].threshold) == (0.4, None)
    assert decision.rules == Branch(
        "AND", (Leaf("domain", "computer_science"), Branch("NOT", (Leaf("jailbreak", "j", "match"),)))
    )
    assert decision.models == (ModelRef("a", weight=2.0, reasoning_effort="high"),)
    assert decision.plugins == (
        SystemPrompt("Be brief.", "insert"),
        HeaderMutation(add=(("x-a", "1"),), delete=("x-b",)),
        FastResponse("Hi."),
        PiiPolicy(frozenset(), "block"),
    )


def test_a_plugin_that_is_not_enabled_is_left_out() -> None:
    extra = (
        "routing: {decisions: [{name: d, modelRefs: [{model: a}], plugins: ["
        "{type: system_prompt, configuration: {enabled: false, system_prompt: x}}]}]}\n"
    )
    assert policy(extra).decisions[0].plugins == ()


def test_a_system_prompt_to_append_replaces_as_in_the_original_with_a_warning() -> None:
    extra = (
        "routing: {decisions: [{name: d, modelRefs: [{model: a}], plugins: ["
        "{type: system_prompt, configuration: {system_prompt: x, mode: append}}]}]}\n"
    )
    assert policy(extra).decisions[0].plugins == (SystemPrompt("x", "replace"),)
    assert "append is taken for replace" in warned(extra)[0]


def test_omitted_rules_are_a_catch_all() -> None:
    assert policy("routing: {decisions: [{name: d, modelRefs: [{model: a}]}]}\n").decisions[0].rules is None


# ---------------------------------------------------------------- global


def test_the_originals_guard_settings_reach_the_guards() -> None:
    module = "global: {model_catalog: {modules: {prompt_guard: {%s}, classifier: {pii: {threshold: 0.6}}}}}\n"
    guards = policy(module % "threshold: 0.8, on_error: allow").guards
    assert (guards.jailbreak.threshold, guards.jailbreak.on_unavailable) == (0.8, "allow")
    assert guards.pii.threshold == 0.6
    assert policy(module % "on_error: block").guards.jailbreak.on_unavailable == "refuse"
    assert policy(module % "enabled: false").guards.jailbreak.mode == "off"


def test_a_pii_policy_blocks_where_types_are_listed_and_reports_where_not() -> None:
    def guard(fields: str) -> PiiPolicy:
        return policy(f"global: {{guards: {{pii: {{{fields}}}}}}}\n").guards.pii.policy

    assert guard("") == PiiPolicy(None, "log")
    assert guard("pii_types_allowed: [AGE]") == PiiPolicy(frozenset({"AGE"}), "block")
    assert guard("pii_types_allowed: [], action: mask") == PiiPolicy(frozenset(), "mask")


def test_a_models_pii_policy_denies_unless_it_allows_by_default() -> None:
    def model(fields: str) -> PiiPolicy | None:
        text = PROVIDERS.replace("{name: b,", f"{{name: b, pii_policy: {{{fields}}},")
        return load(text).policy.models["b"].pii

    assert model("pii_types_allowed: [AGE]") == PiiPolicy(frozenset({"AGE"}), "block")
    assert model("") == PiiPolicy(frozenset(), "block")
    allowing = model("allow_by_default: true, pii_types_allowed: [AGE]")
    assert allowing is not None
    assert not allowing.forbids("PERSON")


def test_router_settings_reach_the_policy() -> None:
    loaded = policy(
        "global:\n  router:\n    auto_model_name: pick\n    unknown_model_status: 400\n"
        "    response_headers: false\n    clear_route_cache: false\n    include_config_models_in_list: true\n"
        "  limits: {max_body_bytes: 1MB, max_prompt_tokens: 10, max_concurrent_requests: 3, max_nesting: 9}\n"
        "  timeouts: {connect: 250ms, first_token: 1m30s, idle: 2, judge: 0.5}\n"
        "  services: {api: {batch_classification: {max_batch_size: 7}}}\n"
    )
    assert loaded.auto_names == ("vllm-sr/auto", "auto", "pick")
    assert loaded.unknown_model_status == 400
    assert (loaded.reveal_headers, loaded.clear_route_cache, loaded.include_models_in_list) == (
        False,
        False,
        True,
    )
    assert (loaded.limits.max_body_bytes, loaded.limits.max_nesting) == (1_000_000, 9)
    assert (loaded.timeouts.connect, loaded.timeouts.first_token, loaded.timeouts.idle) == (0.25, 90.0, 2.0)
    assert loaded.management.max_batch_size == 7


def test_an_explicit_list_of_automatic_names_replaces_the_defaults() -> None:
    assert policy("global: {router: {auto_model_names: [x, y]}}\n").auto_names == ("x", "y")


# ---------------------------------------------------------------- without a file


def test_the_environment_of_the_openai_client_is_a_configuration() -> None:
    names = ["gpt-x", "auto", "gpt-y", "gpt-x"]
    text = text_from_openai_env("https://api.openai.com/v1", "sk-1", names)
    built = load_text(text, "OPENAI_BASE_URL", {"OPENAI_API_KEY": "sk-1"}).policy
    assert "sk-1" not in text
    assert list(built.models) == ["gpt-x", "gpt-y"]
    assert built.default_model == "gpt-x"
    assert built.models["gpt-y"].backends[0].dialect == "openai"
    assert built.guards.jailbreak.mode == built.guards.pii.mode == "enforce"
    assert len(built.signals.domains) == 14
    assert "sk-1" not in repr(built)


def test_a_server_without_models_or_with_a_bad_address_is_a_configuration_error() -> None:
    env = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    with pytest.raises(ConfigError, match=r"^OPENAI_BASE_URL: providers\.models is empty"):
        given(ServeOptions(models=("auto",)), env)
    with pytest.raises(ConfigError, match="base_url must look like"):
        given(ServeOptions(models=("m",)), {"OPENAI_BASE_URL": "localhost:11434"})
