from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.documents import complaints, load
from vsr.config.flat import convert, is_flat
from vsr.config.load import convert_text, load_config, load_text
from vsr.config.paths import Plain
from vsr.config.policy import Branch, Leaf, ModelRef
from vsr.config.yamlfile import parse_yaml
from vsr.errors import ConfigError
from vsr.route import PiiPolicy, SystemPrompt

EXAMPLE = Path(__file__).parents[2] / "config" / "flat-v0.yaml"

FLAT = """\
vllm_endpoints:
  - {name: e1, address: 127.0.0.1, port: 9001, weight: 3}
model_config:
  a: {reasoning_family: ""}
default_model: a
"""
"""Five lines; what a test appends begins in line 6."""


def decision(plugin: str) -> str:
    return f"decisions: [{{name: d, modelRefs: [{{model: a}}], plugins: [{plugin}]}}]\n"


def test_the_format_is_told_by_its_keys() -> None:
    assert is_flat({"vllm_endpoints": []})
    assert is_flat({"default_model": "a"})
    others: list[Plain] = [
        {},
        {"version": "v0.3", "default_model": "a"},
        {"listeners": []},
        {"providers": {}},
    ]
    for data in [*others, [], None]:
        assert not is_flat(data)


def test_the_example_means_what_it_says() -> None:
    policy = load_config(EXAMPLE, {}).policy
    qwen = policy.models["qwen3-30b"]
    assert [(ref.name, ref.destination, ref.weight) for ref in qwen.backends] == [
        ("qwen3-30b/endpoint1", "127.0.0.1:9001", 1),
        ("qwen3-30b/endpoint2", "127.0.0.1:9002", 2),
    ]
    assert qwen.reasoning_family is not None
    assert qwen.reasoning_family.parameter == "enable_thinking"
    assert qwen.pii == PiiPolicy(frozenset({"AGE", "DATE_TIME", "GPE", "ORGANIZATION"}), "block")
    assert policy.models["phi4"].pii == PiiPolicy(None, "block")
    assert (policy.default_model, policy.default_reasoning_effort) == ("phi4", "high")
    assert policy.domain_threshold == 0.6
    assert policy.guards.jailbreak.threshold == policy.guards.pii.threshold == 0.7
    domain = next(rule for rule in policy.signals.domains if rule.name == "code")
    assert domain.classes == {"computer science", "engineering"}


def test_a_system_prompt_of_a_category_becomes_a_decision_over_its_models_by_score() -> None:
    decision = load_config(EXAMPLE, {}).policy.decisions[1]
    assert decision.name == "math"
    assert decision.rules == Branch("AND", (Leaf("domain", "math"),))
    assert decision.models == (ModelRef("qwen3-30b", use_reasoning=True), ModelRef("phi4"))
    assert decision.plugins == (SystemPrompt("You are a mathematics expert. Solve step by step.", "insert"),)


def test_a_system_prompt_that_is_switched_off_is_not_converted() -> None:
    extra = "categories: [{name: math, system_prompt: x, system_prompt_enabled: false}]\n"
    assert load(FLAT + extra).policy.decisions == ()


def test_the_converted_document_is_canonical_and_loads_to_the_same_policy() -> None:
    text = EXAMPLE.read_text()
    result = convert_text(text, "f.yaml")
    converted = result.text
    assert converted.startswith("# The older flat format")
    assert "\nversion: v0.3\n" in converted
    assert result.dropped == ()
    one, two = load_text(text, "f.yaml", {}).policy, load_text(converted, "f.yaml", {}).policy
    for name in ("models", "signals", "decisions", "guards", "default_model", "domain_threshold", "inert"):
        assert getattr(one, name) == getattr(two, name)


def test_conversion_leaves_its_input_and_references_to_the_environment_alone() -> None:
    text = FLAT.replace("127.0.0.1", '"${HOST}"')
    data = parse_yaml(text, "f.yaml").data
    convert(data)
    assert data == parse_yaml(text, "f.yaml").data
    assert "endpoint: ${HOST}:9001" in convert_text(text, "f.yaml").text
    assert load(text, {"HOST": "10.0.0.1"}).policy.models["a"].backends[0].host == "10.0.0.1"


def test_only_an_address_of_ipv6_gets_brackets() -> None:
    text = FLAT.replace("127.0.0.1", '"${HOST:-10.0.0.1}"')
    assert "endpoint: ${HOST:-10.0.0.1}:9001" in convert_text(text, "f.yaml").text
    assert load(text, {"HOST": "::1"}).policy.models["a"].backends[0].host == "::1"


def test_secrets_by_reference_stay_references() -> None:
    extra = (
        "model_config: {a: {}}\ndefault_model: a\nlisteners: [{address: 0.0.0.0, api_keys: ['${K}']}]\n"
        "external_models:\n  - {model_role: preference, llm_model_name: m, access_key: '${K}',\n"
        "     llm_endpoint: {base_url: 'https://h/v1'}}\n"
    )
    text = "vllm_endpoints: [{name: e1, address: 127.0.0.1, port: 9001}]\n" + extra
    (key,) = load(text, {"K": "secret"}).policy.listeners[0].api_keys
    assert key.key.reveal() == "secret"
    message = complaints(text.replace("access_key: '${K}'", "access_key: secret"), {"K": "secret"})
    assert message == ["6: a key must not stand in the file: write access_key: ${NAME}"]


def test_a_category_s_models_are_ordered_by_scores_from_the_environment_too() -> None:
    extra = (
        "categories: [{name: math, system_prompt: x, model_scores: [{model: a, score: 0.5},"
        " {model: b, score: '${S}'}]}]\n"
    )
    decisions = load(FLAT.replace("default", "  b: {}\ndefault") + extra, {"S": "0.9"}).policy.decisions
    assert [ref.model for ref in decisions[0].models] == ["b", "a"]


def test_a_canonical_document_is_not_converted() -> None:
    with pytest.raises(ConfigError, match="there is nothing to convert"):
        convert_text("version: v0.3\n", "f.yaml")


def test_an_endpoint_that_nobody_defined_is_an_error() -> None:
    text = FLAT.replace('reasoning_family: ""', "preferred_endpoints: [e1, e2]")
    assert complaints(text) == ["4: endpoint 'e2' is not in vllm_endpoints"]


def test_endpoints_serve_the_models_they_list_or_else_all() -> None:
    flat: Plain = {
        "vllm_endpoints": [
            {"name": "e1", "address": "::1", "port": 1, "models": ["a"]},
            {"name": "e2", "address": "10.0.0.2", "port": 2},
        ],
        "model_config": {"b": {}},
    }
    assert convert(flat)["providers"] == {
        "models": [
            {"name": "b", "backend_refs": [{"name": "e2", "endpoint": "10.0.0.2:2"}]},
            {
                "name": "a",
                "backend_refs": [
                    {"name": "e1", "endpoint": "[::1]:1"},
                    {"name": "e2", "endpoint": "10.0.0.2:2"},
                ],
            },
        ]
    }


def test_the_plugins_pii_and_jailbreak_of_a_decision_are_translated() -> None:
    extra = (
        "keyword_rules: [{name: k, operator: OR, keywords: [x]}]\ndecisions:\n"
        "  - {name: d, modelRefs: [{model: a}], rules: {type: keyword, name: k},\n"
        "     plugins: [{type: jailbreak, configuration: {enabled: true}},\n"
        "               {type: pii, configuration: {enabled: true, pii_types_allowed: [GPE]}}]}\n"
        "  - {name: e, modelRefs: [{model: a}], plugins: [{type: pii, configuration: {enabled: false}}]}\n"
    )
    decisions = load(FLAT + extra).policy.decisions
    assert decisions[0].plugins == (PiiPolicy(frozenset({"GPE"}), "block"),)
    assert decisions[1].plugins == (PiiPolicy(None, "log"),)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("categorys: []\n", "6: unknown key 'categorys'; did you mean 'categories'?"),
        ("semantic_cach: {}\n", "6: unknown key 'semantic_cach'; did you mean 'semantic_cache'?"),
        (
            "categories:\n  - name: math\n    jailbreak_enabled: false\n",
            "8: categories[0].jailbreak_enabled is not supported, because guards are the same",
        ),
        (
            "decisions:\n  - name: d\n    modelRefs: [{model: a}]\n    plugins:\n"
            "      - {type: jailbreak, configuration: {enabled: false}}\n",
            "10: decisions[0].plugins[0]: jailbreak off for one decision is not supported",
        ),
        (
            "prompt_guard: {enabled: false}\ndecisions:\n  - name: d\n    modelRefs: [{model: a}]\n"
            "    plugins: [{type: jailbreak, configuration: {enabled: true}}]\n",
            "10: decisions[0].plugins[0]: jailbreak on for one decision, with prompt_guard.enabled: false",
        ),
        (
            decision("{type: jailbreak, configuration: {threshold: 0.5}}"),
            "6: decisions[0].plugins[0]: a threshold for one decision is not supported, because all "
            "decisions share prompt_guard.threshold",
        ),
        (
            decision("{type: pii, configuration: {threshold: 0.5}}"),
            "because all decisions share classifier.pii_model.threshold",
        ),
        (
            decision("{type: pii, configuration: {pii_types_alowed: [GPE]}}"),
            "6: decisions[0].plugins[0]: unknown key 'pii_types_alowed' in configuration; did you mean",
        ),
        (decision("{type: pii, configuraton: {}}"), "did you mean 'configuration'?"),
        ("bert_model: {threshhold: 0.5}\n", "6: unknown key 'threshhold' in bert_model; did you mean"),
        ("categories: [{name: math, model_score: []}]\n", "did you mean 'model_scores'?"),
        ("vllm_endpoint: []\n", "did you mean 'vllm_endpoints'?"),
    ],
)
def test_what_cannot_be_converted_is_refused_in_its_line(extra: str, expected: str) -> None:
    assert expected in complaints(FLAT + extra)[0]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            "categories:\n  - name: math\n    model_scores:\n      - {model: b, score: 1}\n",
            "9: model 'b' is not in",
        ),
        ("prompt_guard:\n  enabled: true\n  thresold: 0.5\n", "8: unknown key 'thresold'"),
        ("embedding_rules:\n  - {name: x}\n", "7: routing.signals.embeddings[0].candidates is required"),
        ("decisions:\n  - name: dd\n    modelRefs:\n      - {model: bb}\n", "9: model 'bb' is not in"),
        ("classifier:\n  category_model:\n    threshold: high\n", "8: global.model_catalog.modules"),
    ],
)
def test_what_the_canonical_schema_refuses_keeps_its_line_of_the_flat_file(extra: str, expected: str) -> None:
    assert expected in complaints(FLAT + extra)[0]


def test_a_plugin_that_says_what_holds_for_all_is_left_out_and_listed() -> None:
    extra = "prompt_guard: {threshold: '${T}'}\n"
    plugin = "{type: jailbreak, configuration: {enabled: true, threshold: 0.7}}"
    loaded = load(FLAT + extra + decision(plugin), {"T": "0.7"})
    assert [problem.line for problem in loaded.inert] == [7]
    assert "without effect: the plugin jailbreak" in loaded.remarks[-1]


def test_rules_beside_an_empty_list_of_signals_stay() -> None:
    extra = "keyword_rules: [{name: k, keywords: [x]}]\nsignals:\n  keywords:\n"
    assert [rule.name for rule in load(FLAT + extra).policy.signals.keywords] == ["k"]


def test_inert_parts_of_a_flat_file_are_listed() -> None:
    extra = (
        "semantic_cache: {enabled: true}\nbert_model: {model_id: x, threshold: 0.6}\n"
        "categories: [{name: math, semantic_cache_enabled: true}]\n"
    )
    inert = " ".join(load(FLAT + extra).policy.inert)
    for key in ("global.stores.response_cache", "categories[0].semantic_cache_enabled", "embeddings"):
        assert key in inert


def test_what_conversion_leaves_out_is_told() -> None:
    extra = (
        "categories: [{name: math, semantic_cache_enabled: true}]\n"
        "decisions: # all of them\n"
        "  - {name: d, modelRefs: [{model: a}], plugins: [{type: jailbreak}]} # one\n"
    )
    result = convert_text(FLAT + extra, "f.yaml")
    told = [problem.message for problem in result.dropped]
    assert [problem.line for problem in result.dropped] == [6, 8]
    assert told[0].startswith("categories[0].semantic_cache_enabled")
    assert told[1].startswith("the plugin jailbreak")
    assert "# all of them" in result.text
    assert "# one" in result.text
