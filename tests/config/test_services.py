"""Services of others in a configuration: what is refused, what is doubted, what is made of them."""

from __future__ import annotations

import pytest

from tests.config.documents import PROVIDERS, complaint, complaints, load, policy, warned
from vsr.config.fixed import needs_restart
from vsr.config.policy_services import MCPServer, Service
from vsr.content import Secret

LLM = "routing: {signals: {classifiers: [{name: c, type: llm, model: judge, labels: [x, y]}]}}\n"
HTTP = LLM.replace("llm", "sequence_classifier")
MCP = "routing: {signals: {classifiers: [{name: c, type: mcp%s}]}}\n"
ENDPOINT = "llm_endpoint: {address: h, port: 9}"


def external(entry: str) -> str:
    return f"global: {{model_catalog: {{external: [{{{entry}}}]}}}}\n"


def judge(more: str = "", endpoint: str = ENDPOINT) -> str:
    return external(f"name: judge, model_role: scoring, llm_model_name: m, {endpoint}{more}")


def module(classifier: str) -> str:
    return f"global: {{model_catalog: {{modules: {{classifier: {{{classifier}}}}}}}}}\n"


def semantic(given: str) -> str:
    return f"global: {{model_catalog: {{embeddings: {{semantic: {{{given}}}}}}}}}\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (LLM, "there is no 'judge' in global.model_catalog.external"),
        (LLM.replace("model: judge", "model: juge") + judge(), "did you mean 'judge'"),
        (LLM.replace("model: judge, ", ""), "type llm needs model"),
        (LLM.replace("labels: [x, y]", "labels: [x]") + judge(), "two at least"),
        (LLM.replace("labels: [x, y]", "labels: [x, x]") + judge(), "label 'x' is defined twice"),
        (LLM + judge().replace("llm_model_name: m, ", ""), "which a chat model is asked by"),
        (LLM.replace("model: judge", "model: judge, model_path: p") + judge(), "only for local"),
        (HTTP.replace("model: judge", "model: judge, instructions: p") + judge(), "only for llm"),
        (LLM + judge(", access_key: sk-1"), "a key must not stand in the file"),
        (LLM + judge(endpoint="llm_endpoint: {port: 9}"), "needs either address and port, or base_url"),
        (LLM + judge(endpoint="llm_endpoint: {address: h, base_url: 'http://h'}"), "or base_url"),
        (LLM + judge(endpoint="llm_endpoint: {address: 'h/v1'}"), "with a path, write base_url"),
        (LLM + judge(endpoint="llm_endpoint: {base_url: 'ftp://h'}"), "must look like http://host:port"),
        (LLM + judge(endpoint="llm_endpoint: {base_url: 'http://u@h'}"), "without user"),
        (LLM + judge(endpoint="llm_endpoint: {address: h, prompt_template: t}"), "not supported, because"),
        (external(f"name: g, model_role: memory_rewrite, {ENDPOINT}"), "not supported, because nothing"),
        (external(f"name: p, model_role: preference, {ENDPOINT}"), "which a chat model is asked by"),
        (module("preference: {use_contrastive: false}"), "needs a model in model_catalog.external"),
        (MCP % "", "needs global.model_catalog.modules.classifier.mcp, or model"),
        (MCP % ", model: m", "there is no 'm' in global.model_catalog.mcp_servers"),
        (module("mcp: {enabled: true, command: c}"), "asked by classifier signals of type mcp only"),
        (MCP % "" + module("mcp: {enabled: true}"), "transport_type stdio needs a command"),
        (MCP % "" + module("mcp: {enabled: true, transport_type: http}"), "needs a url"),
        (MCP % "" + module("mcp: {enabled: true, command: c, url: u}"), "not for transport_type stdio"),
        (MCP % "" + module("mcp: {enabled: true, command: c, env: {API_KEY: k}}"), "a secret must not stand"),
        (semantic("embedding_config: {backend: openai_compatible}"), "needs embeddings.semantic.endpoint"),
        (
            semantic("embedding_config: {backend: openai_compatible}, endpoint: {base_url: h, model: m}"),
            "must look like",
        ),
        (
            semantic(
                "embedding_config: {backend: openai_compatible},"
                " endpoint: {base_url: 'http://h', model: m, api_key_env: NO_SUCH}"
            ),
            "NO_SUCH is not set",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_fix(given: str, expected: str) -> None:
    assert expected in complaint(given)


def test_only_one_model_can_name_preferences() -> None:
    entries = ", ".join(
        f"{{name: {name}, model_role: preference, llm_model_name: m, {ENDPOINT}}}" for name in "pq"
    )
    assert "only one is asked" in complaint(f"global: {{model_catalog: {{external: [{entries}]}}}}\n")


def test_a_service_may_be_asked_by_a_recipe_alone() -> None:
    recipe = "recipes: [{name: r, " + LLM.strip() + "}]\nentrypoints: [{model_names: [x], recipe: r}]\n"
    assert not [one for one in warned(recipe + judge()) if "no classifier signal" in one]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (judge(), "no classifier signal asks 'judge'"),
        ("global: {model_catalog: {mcp_servers: [{name: s, command: c}]}}\n", "of type mcp asks it"),
        (semantic("endpoint: {base_url: 'http://h', model: m}"), "no effect without"),
        (semantic("embedding_config: {backend: candle}"), "the bundle's own vectors are used"),
        (semantic("embedding_config: {backend: openai-compatible}"), "did you mean 'openai_compatible'"),
        (
            module("preference: {use_contrastive: true}").replace(
                "modules:",
                f"external: [{{model_role: preference, llm_model_name: m, {ENDPOINT}}}], modules:",
            ),
            "examples decide",
        ),
    ],
)
def test_what_has_no_effect_is_told(given: str, expected: str) -> None:
    assert [one for one in warned(given) if expected in one]


def test_a_key_that_would_travel_in_the_clear_is_told() -> None:
    text = PROVIDERS + LLM + judge(", access_key: '${K}'")
    assert [one.message for one in load(text, {"K": "k"}).warnings if "unencrypted" in one.message]


def test_an_unset_key_is_refused() -> None:
    text = PROVIDERS + LLM + judge(", access_key: '${K}'")
    assert [
        "the environment variable of this key is empty" in one for one in complaints(text, {"K": ""})
    ] == [True]


def test_services_are_compiled_with_their_addresses_and_limits() -> None:
    more = ", access_key: '${K}', llm_timeout_seconds: 2, parser_type: simple, threshold: 0.7"
    (rule,) = policy(LLM + judge(more), {"K": "k"}).signals.classifiers
    assert rule.service == Service(
        "external model 'judge'", "http://h:9/v1", "m", Secret("k"), timeout=2, parser="simple"
    )
    assert (rule.threshold, rule.labels) == (0.7, ("x", "y"))


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("{address: h, port: 9}", "http://h:9"),
        ("{address: h, protocol: https}", "https://h"),
        ("{address: '::1', port: 9}", "http://[::1]:9"),
        ("{base_url: 'https://h/deep/v1/'}", "https://h/deep/v1"),
    ],
)
def test_a_classifier_is_asked_below_its_address(endpoint: str, url: str) -> None:
    (rule,) = policy(HTTP + judge(endpoint=f"llm_endpoint: {endpoint}")).signals.classifiers
    assert rule.service is not None
    assert rule.service.url == url


def test_the_module_s_mcp_server_and_named_ones_are_compiled() -> None:
    servers = "mcp_servers: [{name: s, transport_type: http, url: 'http://h/mcp', threshold: 0.2}]"
    given = module("mcp: {enabled: true, command: c, args: [a], tool_name: t}")
    both = (MCP % "").replace("}]", "}, {name: d, type: mcp, model: s}]")
    first, second = policy(both + given.replace("modules:", f"{servers}, modules:")).signals.classifiers
    assert (first.server, first.threshold) == (MCPServer("the MCP server", "t", "c", ("a",)), 0.5)
    assert second.server == MCPServer("MCP server 's'", "classify_text", url="http://h/mcp")
    assert second.threshold == 0.2


def test_the_embeddings_endpoint_is_compiled_with_its_key() -> None:
    given = (
        "endpoint: {base_url: 'https://h/v1/', model: m, api_key_env: K, timeout_seconds: 2, dimensions: 8}"
    )
    text = semantic("embedding_config: {backend: openai_compatible}, " + given)
    expected = Service("the embeddings endpoint", "https://h/v1", "m", Secret("k"), timeout=2, dimension=8)
    assert policy(text, {"K": "k"}).signals.embedder == expected


def test_preferences_take_the_threshold_of_the_model_that_names_them() -> None:
    rules = "routing: {signals: {preferences: [{name: a, description: x}, {name: b, description: y,"
    entry = f"model_role: preference, llm_model_name: m, threshold: 0.8, {ENDPOINT}"
    signals = policy(rules + " threshold: 0.3}]}}\n" + external(entry)).signals
    assert [rule.threshold for rule in signals.preferences] == [0.8, 0.3]
    assert signals.preferrer is not None
    assert signals.preferrer.url == "http://h:9/v1"


def test_a_running_router_starts_no_program_that_was_not_named_at_its_start() -> None:
    started = MCP % "" + module("mcp: {enabled: true, command: classify, args: [a]}")
    remote = MCP % "" + module("mcp: {enabled: true, transport_type: http, url: 'http://h/mcp'}")
    running = policy(started)
    assert needs_restart(running, running) == []
    assert needs_restart(running, policy(remote)) == []
    other = policy(started.replace("args: [a]", "args: [b]"))
    assert "MCP server" in needs_restart(running, other)[0]
