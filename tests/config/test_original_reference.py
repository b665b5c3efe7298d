"""Every key and every named value of the original is carried out, refused with a reason, or listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.documents import PROVIDERS
from vsr.config.load import load_text
from vsr.config.paths import KeyPath, Plain, Report, show
from vsr.config.schema import Document
from vsr.config.strict import Checked, check_keys
from vsr.config.yamlfile import parse_yaml
from vsr.errors import ConfigError

FILE = Path(__file__).parent / "original_reference.yaml"

PLUGINS = (
    *("fast_response", "system_prompt", "header_mutation", "request_params", "response_cache"),
    *("semantic-cache", "semantic_cache", "response-cache", "tools", "tool_selection", "rag", "memory"),
    *("hallucination", "response_jailbreak", "router_replay", "context_compression", "image_gen"),
)
ALGORITHMS = (
    *("static", "router_dc", "latency_aware", "multi_factor", "hybrid", "automix", "prompt", "knn"),
    *("kmeans", "svm", "mlp", "confidence", "ratings", "remom", "fusion", "workflows"),
)
PROVIDER_TYPES = ("openai", "anthropic", "azure-openai", "bedrock", "gemini", "vertex-ai", "minimax")
METHODS = ("regex", "bm25", "ngram", "fuzzy")
RULES = (
    *("keyword", "embedding", "domain", "fact_check", "user_feedback", "reask", "preference", "language"),
    *("context", "structure", "complexity", "modality", "authz", "jailbreak", "pii", "kb", "conversation"),
    *("event", "metadata", "classifier", "projection"),
)


def checked() -> tuple[Plain, Checked, Report]:
    data, report = parse_yaml(FILE.read_text(), FILE.name).data, Report()
    return data, check_keys(data, Document, report), report


def paths(data: Plain, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path and isinstance(path[-1], str):
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in items:
        yield from paths(value, (*path, step))


def test_every_key_is_carried_out_refused_with_a_reason_or_listed() -> None:
    data, result, report = checked()
    kept = set(paths(result.data))
    told = {finding.path for finding in (*result.inert, *report.errors)}
    around = {path[:length] for path in told for length in range(len(path))}
    silent = [
        show(path)
        for path in paths(data)
        if path not in kept | around and not any(path[:length] in told for length in range(len(path) + 1))
    ]
    assert silent == []


def test_no_key_is_unknown_and_every_refusal_says_why() -> None:
    _, result, report = checked()
    reasonless = [one.message for one in report.errors if ", because " not in one.message]
    assert reasonless == []
    assert all(re.search(r"\(.+\)$", finding.message) for finding in result.inert)


def complaints_about(extra: str) -> list[str]:
    return problems_of(PROVIDERS + extra)


def problems_of(text: str) -> list[str]:
    try:
        load_text(text, "f.yaml", {})
    except ConfigError as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "extra",
    [
        *(
            f"routing: {{decisions: [{{name: d, modelRefs: [{{model: a}}], "
            f"plugins: [{{type: {name}, configuration: {{}}}}]}}]}}"
            for name in PLUGINS
        ),
        *(
            f"routing: {{decisions: [{{name: d, modelRefs: [{{model: a}}], algorithm: {{type: {name}}}}}]}}"
            for name in ALGORITHMS
        ),
        *(
            f"routing: {{signals: {{keywords: [{{name: k, keywords: [x], method: {name}}}]}}}}"
            for name in METHODS
        ),
        *(
            f"routing: {{decisions: [{{name: d, modelRefs: [{{model: a}}], "
            f"rules: {{type: {name}, name: nowhere}}}}]}}"
            for name in RULES
        ),
    ],
)
def test_every_named_value_is_known(extra: str) -> None:
    assert [
        one for one in complaints_about(extra + "\n") if "must be '" in one or "unknown type" in one
    ] == []


@pytest.mark.parametrize("name", PROVIDER_TYPES)
def test_every_provider_is_known(name: str) -> None:
    text = PROVIDERS.replace('endpoint: "127.0.0.1:9001"', f'base_url: "https://x.example", provider: {name}')
    assert [one for one in problems_of(text) if "unknown" in one] == []


def test_fuzzy_keywords_of_the_original_load() -> None:
    extra = (
        "routing: {signals: {keywords: [{name: k, keywords: [urgent], method: fuzzy, fuzzy_threshold: 2}]}}\n"
    )
    assert complaints_about(extra) == []
