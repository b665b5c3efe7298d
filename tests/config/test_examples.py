from __future__ import annotations

from pathlib import Path

import pytest

from vsr.config.labels import DOMAINS, PII_TYPES
from vsr.config.load import DEFAULT_FILE, load_config, load_policy
from vsr.training import labels

FILES = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))
SUITES = [path for path in FILES if path.name.endswith(".probes.yaml")]
EXAMPLES = [path for path in FILES if path not in SUITES]
ENV = dict.fromkeys(
    (
        *("VSR_API_KEY", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"),
        *("AWS_BEARER_TOKEN_BEDROCK", "MINIMAX_API_KEY"),
    ),
    "key",
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_loads_without_a_doubt(path: Path) -> None:
    loaded = load_config(path, ENV)
    assert loaded.policy.models
    doubts = [warning.message for warning in loaded.warnings]
    shadow = ["the prompt guard only reports: jailbreaks reach the models"]
    assert doubts == (shadow if path.stem == "observe" else [])


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


def test_the_default_file_needs_no_environment_and_has_no_warnings() -> None:
    loaded = load_config(DEFAULT_FILE, {})
    assert loaded.warnings == ()
    assert loaded.policy.inert == ()
    backend = loaded.policy.models["math-7b"].backends[0]
    assert backend.destination == "127.0.0.1:9001"


def test_the_default_file_takes_the_simulators_port_from_the_environment() -> None:
    policy = load_policy(DEFAULT_FILE, {"VSR_SIMULATOR_PORT": "4711"})
    assert {ref.port for model in policy.models.values() for ref in model.backends} == {4711}


def test_the_default_file_has_one_best_model_for_each_of_the_14_domains() -> None:
    domains = load_policy(DEFAULT_FILE, {}).signals.domains
    assert sorted(label for rule in domains for label in rule.classes) == sorted(DOMAINS)
    for rule in domains:
        scores = sorted((score.score for score in rule.model_scores), reverse=True)
        assert len(scores) == 1 or scores[0] > scores[1]


def test_reasoning_is_on_for_mathematics_by_default() -> None:
    policy = load_policy(DEFAULT_FILE, {})
    math = next(rule for rule in policy.signals.domains if rule.name == "math")
    assert math.model_scores[0].use_reasoning
    assert policy.models["math-7b"].reasoning_family is not None


def test_labels_of_the_configuration_are_those_of_the_bundle() -> None:
    assert DOMAINS == labels.DOMAINS
    assert PII_TYPES == labels.PII_TYPES
