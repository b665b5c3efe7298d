from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.config.documents import complaint, policy
from vsr.config.knowledge import BUILT_IN, built_in
from vsr.config.paths import Report
from vsr.config.policy_signals import MAX_EXAMPLES, KnowledgeBase
from vsr.config.schema.catalog import KnowledgeLabel
from vsr.config.validate import validate
from vsr.errors import ConfigError
from vsr.signals.kb import read_exemplars

RULE = "routing: {signals: {kb: [{name: private, kb: privacy_kb, target: {kind: group, value: %s}}]}}\n"
CHINESE = re.compile("[一-鿿]")


def base(text: str) -> KnowledgeBase:
    (found,) = policy(text).signals.knowledge_bases
    return found


def test_a_rule_may_name_a_built_in_base_that_no_file_defines() -> None:
    found = base(RULE % "private")
    assert found.margins == {"private_vs_public": ("private", "public")}
    assert set(read_exemplars(found)) == {one for group in found.groups.values() for one in group}


def test_groups_of_a_built_in_base_are_checked() -> None:
    assert "'privat' is no group of 'privacy_kb'; did you mean 'private'?" in complaint(RULE % "privat")


def test_a_projection_may_read_its_metric_without_a_rule() -> None:
    score = "{type: kb_metric, kb: mmlu_kb, metric: escalate_vs_keep, weight: 1}"
    text = f"routing: {{projections: {{scores: [{{name: s, inputs: [{score}]}}]}}}}\n"
    assert base(text).name == "mmlu_kb"


def test_nothing_is_loaded_that_nothing_names() -> None:
    assert policy().signals.knowledge_bases == ()


def test_a_base_of_the_file_comes_before_the_built_in_one() -> None:
    own = "{name: privacy_kb, labels: {mine: {exemplars: [x]}}, groups: {private: [mine]}}"
    found = base(RULE % "private" + f"global: {{model_catalog: {{kbs: [{own}]}}}}\n")
    assert read_exemplars(found) == {"mine": ("x",)}


def test_an_entry_without_examples_of_its_own_gets_the_built_in_ones_and_keeps_its_threshold() -> None:
    own = "{name: privacy_kb, threshold: 0.6, groups: {private: [pii]}}"
    found = base(RULE % "private" + f"global: {{model_catalog: {{kbs: [{own}]}}}}\n")
    assert (found.threshold, dict(found.groups)) == (0.6, {"private": ("pii",)})
    assert len(read_exemplars(found)) == 18


def test_a_file_of_the_operator_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = "{name: privacy_kb, source: {path: knowledge_bases/privacy/}, groups: {private: [pii]}}"
    found = base(RULE % "private" + f"global: {{model_catalog: {{kbs: [{own}]}}}}\n")
    assert len(read_exemplars(found)) == 18  # the original's own place, where nothing lies
    (tmp_path / "knowledge_bases/privacy").mkdir(parents=True)
    (tmp_path / "knowledge_bases/privacy/labels.json").write_text('{"labels": {"pii": {"exemplars": ["x"]}}}')
    assert read_exemplars(found) == {"pii": ("x",)}


def test_a_place_of_the_operators_own_choice_is_not_made_up_for() -> None:
    own = "{name: privacy_kb, source: {path: my/kbs}, groups: {private: [pii]}}"
    found = base(RULE % "private" + f"global: {{model_catalog: {{kbs: [{own}]}}}}\n")
    assert (found.stands_in, found.exemplars) == (False, {})


def test_a_label_with_too_many_exemplars_is_refused() -> None:
    report = Report()
    assert validate({"exemplars": ["x"] * MAX_EXAMPLES}, KnowledgeLabel, report)
    validate({"exemplars": ["x"] * (MAX_EXAMPLES + 1)}, KnowledgeLabel, report)
    (found,) = report.errors
    assert found.message == "exemplars must have at most 10000 entries, not 10001"


def test_the_exemplars_of_a_label_s_file_count_together_with_those_of_the_configuration(
    tmp_path: Path,
) -> None:
    labels = {"pay": {"exemplars": ["x"] * MAX_EXAMPLES}}
    (tmp_path / "labels.json").write_text(json.dumps({"labels": labels}))
    found = base(
        f"global: {{model_catalog: {{kbs: [{{name: b, source: {{path: '{tmp_path}'}},"
        " labels: {pay: {exemplars: [y]}}}]}}\n"
    )
    with pytest.raises(ConfigError, match=r"labels\.pay has more than 10000 exemplars"):
        read_exemplars(found)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_examples_are_in_both_languages_and_fill_every_group(name: str) -> None:
    found = built_in(name)
    for label in found.labels.values():
        chinese = [text for text in label.exemplars if CHINESE.search(text)]
        assert len(label.exemplars) == len(set(label.exemplars))
        assert 2 * len(chinese) == len(label.exemplars)
    assert {one for group in found.groups.values() for one in group} == set(found.labels)
    groups = {one for metric in found.metrics for one in (metric.positive_group, metric.negative_group)}
    assert groups <= set(found.groups)
