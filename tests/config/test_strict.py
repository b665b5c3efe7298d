from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.documents import PROVIDERS, complaint, complaints, load, policy
from vsr.config.load import load_config
from vsr.config.pending import KEYS, VALUES
from vsr.errors import ConfigError


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            "global:\n  guards:\n    jailbreak: {thresold: 0.5}\n",
            "9: unknown key 'thresold' in global.guards.jailbreak; did you mean 'threshold'?",
        ),
        ("listener: []\n", "7: unknown key 'listener'; did you mean 'listeners'?"),
        (
            "routing:\n  decisions:\n    - name: x\n      model_refs: [{model: a}]\n",
            "10: unknown key 'model_refs' in routing.decisions[0]; did you mean 'modelRefs'?",
        ),
        (
            "routing:\n  signals:\n    keywords: [{name: k, keyword: [x], keywords: [y]}]\n",
            "9: unknown key 'keyword' in routing.signals.keywords[0]; did you mean 'keywords'?",
        ),
        (
            "global: {stores: {zzz: 1}}\n",
            "7: unknown key 'zzz' in global.stores; known here: memory, response_cache, vector_store",
        ),
    ],
)
def test_an_unknown_key_names_its_line_and_the_nearest_known_name(extra: str, expected: str) -> None:
    assert expected in complaints(PROVIDERS + extra)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("listeners: [{port: eighty}]\n", "7: listeners[0].port must be a whole number"),
        ("listeners: [{port: 70000}]\n", "7: listeners[0].port must be less than or equal to 65535"),
        ("listeners: [{port: true}]\n", "7: listeners[0].port must be a number, not true or false"),
        ("listeners: [{timeout: 5 minutes}]\n", "7: listeners[0].timeout must be a duration such as 30s"),
        ("listeners: 3\n", "7: listeners must be a list"),
        ("global: [a]\n", "7: global must be a mapping"),
        ("global: {limits: {max_body_bytes: 3 cows}}\n", "7: global.limits.max_body_bytes must be a size"),
        (
            "global: {router: {clear_route_cache: maybe}}\n",
            "7: global.router.clear_route_cache must be true or false",
        ),
        (
            "global: {guards: {pii: {mode: shadwo}}}\n",
            "must be 'enforce', 'shadow' or 'off', not 'shadwo'; did you mean 'shadow'?",
        ),
        (
            "routing: {signals: {jailbreak: [{name: j, threshold: 1.5}]}}\n",
            "7: routing.signals.jailbreak[0].threshold must be less than or equal to 1",
        ),
        ("routing: {signals: {domains: [{name: 5}]}}\n", "must be a string; put a number in quotes"),
        ("routing: {decisions: [{priority: 1, modelRefs: [{model: a}]}]}\n", "decisions[0].name is required"),
        (
            "routing: {decisions: [{name: d, modelRefs: [{model: a}], plugins: [{type: fast_respons}]}]}\n",
            "plugins[0] has an unknown type: it must be 'fast_response', 'system_prompt', 'header_mutation', "
            "'pii', not 'fast_respons'; did you mean 'fast_response'?",
        ),
        (
            "routing: {decisions: [{name: d, modelRefs: [{model: a}], rules: {type: domain}}]}\n",
            "routing.decisions[0].rules a signal needs both type and name",
        ),
    ],
)
def test_a_wrong_value_says_what_was_expected(extra: str, expected: str) -> None:
    assert expected in complaint(extra)


def test_all_problems_are_reported_together_in_the_order_of_lines() -> None:
    found = complaints(PROVIDERS + "listeners: [{port: x}]\nrouter: 1\nglobal: {router: {strategy: best}}\n")
    assert [line.split(":")[0] for line in found] == ["7", "8", "9"]


def test_a_section_left_empty_is_a_section_left_out() -> None:
    assert policy("routing:\n  signals:\n  decisions:\nglobal:\n").decisions == ()


def test_a_wrong_version_and_a_missing_one_are_named() -> None:
    assert complaints("version: v0.9\nproviders: {}\n") == [
        "1: version must be 'v0.3', not 'v0.9'; did you mean 'v0.3'?"
    ]
    assert complaints("providers: {}\n") == ["0: version is required"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "is empty"), ("[1]", "must be a mapping"), ("hello", "must be a mapping")],
)
def test_a_file_that_is_no_document_is_one_problem(text: str, expected: str) -> None:
    found = complaints(text)
    assert len(found) == 1
    assert expected in found[0]


def test_a_missing_file_and_a_binary_one_are_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load_config(tmp_path / "none.yaml", {})
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(tmp_path / "binary.yaml", {})


# ---------------------------------------------------------------- known, not built


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            "routing: {decisions: [{name: d, modelRefs: [{model: a}], output_contract: json}]}\n",
            "routing.decisions[0].output_contract is not supported, because",
        ),
        (
            "routing: {signals: {embeddings: [{name: e, threshold: 0.5, candidates: [x], "
            "query_modality: image}]}}\n",
            "routing.signals.embeddings[0].query_modality: image is not supported, because",
        ),
        ("global: {services: {ratelimit: {}}}\n", "no rate limit would be enforced"),
        (
            "global: {router: {streamed_body: {enabled: true}}}\n",
            "global.router.streamed_body is not supported, because",
        ),
        (
            "routing: {decisions: [{name: d, modelRefs: [{model: a}], plugins: [{type: rag}]}]}\n",
            "routing.decisions[0].plugins[0].type: rag is not supported, because",
        ),
        (
            "routing: {decisions: [{name: d, modelRefs: [{model: a}], plugins: [{type: jailbreak}]}]}\n",
            "the prompt guard is global",
        ),
    ],
)
def test_a_known_key_that_changes_safety_or_routing_is_refused(extra: str, expected: str) -> None:
    message = complaint(extra)
    assert expected in message
    assert "is not supported, because" in message


def test_a_section_that_is_switched_off_may_stay_in_the_file() -> None:
    loaded = policy(
        "global:\n  router: {streamed_body: {enabled: false, max: 5}, skip_processing: {enabled: false}}\n"
        "  stores: {memory: {enabled: false}}\n"
        "routing: {signals: {keywords: [{name: k, keywords: [x], fuzzy_match: false}]},\n"
        "  decisions: [{name: d, modelRefs: [{model: a}],\n"
        "    plugins: [{type: rag, configuration: {enabled: false}}]}]}\n"
    )
    assert loaded.inert == ()
    assert loaded.decisions[0].plugins == ()


def test_inert_keys_are_accepted_and_listed_with_their_reason() -> None:
    loaded = policy(
        "global:\n  stores: {response_cache: {enabled: true, anything: 1}}\n"
        "  services: {observability: {tracing: {enabled: true}}}\n"
        "routing: {decisions: [{name: d, modelRefs: [{model: a}],\n"
        "    plugins: [{type: semantic-cache, configuration: {enabled: true}}]}]}\n"
    )
    assert loaded.inert == (
        "global.stores.response_cache (answers are not cached yet)",
        "global.services.observability (metrics are always served; traces are not exported yet)",
        "routing.decisions[0].plugins[0].type: semantic-cache (answers are not cached yet)",
    )


def test_pending_plugins_and_the_schema_name_the_same_types() -> None:
    for (key, value), pending in VALUES.items():
        if key.endswith("plugins[].type"):
            plugins = f"plugins: [{{type: {value}}}]"
            text = f"routing: {{decisions: [{{name: d, modelRefs: [{{model: a}}], {plugins}}}]}}\n"
            if pending.kind == "inert":
                assert load(PROVIDERS + text).policy.inert
            else:
                assert "is not supported, because" in complaint(text)


def test_every_pending_key_has_a_reason() -> None:
    assert all(pending.reason for pending in [*KEYS.values(), *VALUES.values()])
