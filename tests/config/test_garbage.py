from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.documents import PROVIDERS
from vsr.config.flat import MOVED, FlatDocument
from vsr.config.load import convert_text, load_text
from vsr.config.strict import schema_keys
from vsr.config.yamlfile import to_yaml
from vsr.errors import ConfigError

WORDS = [
    *(
        "version",
        "v0.3",
        "listeners",
        "providers",
        "models",
        "defaults",
        "default_model",
        "name",
        "a",
        "math",
    ),
    *("backend_refs", "endpoint", "h:1", "routing", "signals", "domains", "keywords", "jailbreak", "pii"),
    *("decisions", "rules", "operator", "AND", "NOT", "conditions", "type", "domain", "modelRefs", "model"),
    *(
        "plugins",
        "configuration",
        "fast_response",
        "rag",
        "message",
        "global",
        "guards",
        "mode",
        "off",
        "${X}",
    ),
    *("modelCards", "loras", "model_scores", "score", "stores", "response_cache", "router", "enabled"),
]
FLAT_WORDS = [
    *schema_keys(FlatDocument),
    *MOVED,
    "name",
    "models",
    "address",
    "port",
    "plugins",
    "type",
    "pii",
]


def documents(words: list[str]) -> st.SearchStrategy[object]:
    scalar = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(words)
    )
    return st.recursive(
        scalar,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=6)
        ),
        max_leaves=30,
    )


def try_to_load(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load_text(text, "f.yaml", {"X": "x"})


@given(st.binary(max_size=200))
def test_random_bytes_are_a_configuration_error_at_worst(data: bytes) -> None:
    try_to_load(data.decode("utf-8", "replace"))


@given(st.text(alphabet="{}[]:,-&*!|>'\"%@` \n\tab1<$", max_size=80))
def test_random_punctuation_is_a_configuration_error_at_worst(text: str) -> None:
    try_to_load(text)
    try_to_load(PROVIDERS + text)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["version", "providers", "routing", "global"]), documents(WORDS)))
def test_a_random_document_is_a_configuration_error_at_worst(data: dict[str, object]) -> None:
    try_to_load(to_yaml({**data, "version": "v0.3"}))  # type: ignore[dict-item]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(FLAT_WORDS), documents(FLAT_WORDS), min_size=1))
def test_a_random_flat_document_is_a_configuration_error_at_worst(data: dict[str, object]) -> None:
    text = to_yaml(data)  # type: ignore[arg-type]
    try_to_load(text)
    with contextlib.suppress(ConfigError):
        convert_text(text, "f.yaml")
