"""What the configuration says about signal rules, and what it makes of them."""

from __future__ import annotations

import pytest

from tests.config.documents import complaint, policy
from vsr.config.policy_signals import ContextRule, JailbreakRule, KeywordRule

STRUCTURE = "structure: [{name: s, feature: {type: %s, source: {%s}}%s}]"


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ("language: [{name: xx}]", "nothing tells 'xx'"),
        ("fact_check: [{name: needs_factcheck}]", "did you mean 'needs_fact_check'"),
        ("user_feedbacks: [{name: happy}]", "known: satisfied"),
        ("modality: [{name: DIFUSION}]", "did you mean 'DIFFUSION'"),
        ("context: [{name: c, min_tokens: 8K, max_tokens: 4K}]", "less than min_tokens"),
        ("context: [{name: c, min_tokens: 8KB}]", "such as 4096, 32K or 1M"),
        (STRUCTURE % ("count", "type: regex", ""), "needs a pattern"),
        (STRUCTURE % ("count", "type: regex, pattern: '(?=a)b'", ""), "not a regular expression in RE2's"),
        (STRUCTURE % ("count", "type: keyword_set", ""), "needs keywords"),
        (STRUCTURE % ("sequence", "type: regex, pattern: a", ""), "cannot be told from regex"),
        (STRUCTURE % ("exists", "type: regex, pattern: a", ", predicate: {gte: 2}"), "is 0 or 1"),
        (STRUCTURE % ("count", "type: regex, pattern: a", ", predicate: {gt: 4, lt: 4}"), "can never hold"),
        (STRUCTURE % ("count", "type: regex, pattern: a", ", predicate: {lt: 0}"), "not negative"),
        (
            "conversation: [{name: c, feature: {type: count, source: {type: image_content, role:"
            " user}}}]",
            "of messages",
        ),
        ("metadata: [{name: m, key: k, predicate: {}}]", "exactly one of equals, in, exists"),
        ("events: [{name: e}]", "has no criterion"),
        ("events: [{name: e, severities: [fatal]}]", "must be 'critical'"),
        ("role_bindings: [{name: r, subjects: []}]", "subjects"),
        (
            "jailbreak: [{name: j, method: contrastive, jailbreak_patterns:"
            " [x]}]",
            "benign_patterns to contrast",
        ),
        ("jailbreak: [{name: j, jailbreak_patterns: [x]}]", "for method contrastive or hybrid"),
        ("embeddings: [{name: e, threshold: 0.5, candidates: []}]", "candidates"),
        ("embeddings: [{name: e, threshold: 2, candidates: [x]}]", "threshold"),
        (
            "embeddings: [{name: e, threshold: 0.5, candidates: [x], query_modality:"
            " image}]",
            "only text is embedded",
        ),
        (
            "complexity: [{name: c, hard_above: 0, easy_below: 0.5, hard: {candidates: [x]}, easy:"
            " {candidates: [y]}}]",
            "is above hard_above",
        ),
        (
            "complexity: [{name: c, hard: {candidates: [x]}, easy: {candidates: [y]},"
            " composer: {type: keyword, name: k}}]",
            "there is no keyword signal 'k'",
        ),
        ("preferences: [{name: p}]", "needs examples"),
        ("reasks: [{name: r, lookback_turns: 0}]", "lookback_turns"),
        (
            "kb: [{name: k, kb: nowhere, target: {kind: label, value:"
            " x}}]",
            "there is no knowledge base 'nowhere'",
        ),
        ("classifiers: [{name: c, type: local}]", "needs model_path"),
        ("keywords: [{name: k, keywords: [x], method: bm25, fuzzy_match: true}]", "does not go together"),
        ("keywords: [{name: k, keywords: [x], fuzzy_threshold: 101}]", "fuzzy_threshold"),
        ("keywords: [{name: k, keywords: [x]}, {name: k, keywords: [y]}]", "defined twice"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_work_is_refused_with_the_reason(signals: str, expected: str) -> None:
    assert expected in complaint(f"routing: {{signals: {{{signals}}}}}\n")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("{name: b}", "has no exemplars"),
        ("{name: b, labels: {x: {exemplars: []}}}", "exemplars"),
        (
            "{name: b, labels: {x: {exemplars: [t]}}, groups: {g: [x]},"
            " metrics: [{name: m, positive_group: g, negative_group: h}]}",
            "'h' is no group",
        ),
    ],
)
def test_a_knowledge_base_must_fit_together(base: str, expected: str) -> None:
    assert expected in complaint(f"global: {{model_catalog: {{kbs: [{base}]}}}}\n")


def test_defaults_are_those_of_the_original() -> None:
    signals = policy(
        "routing: {signals: {keywords: [{name: a, keywords: [x], method: bm25}, {name: b,"
        " keywords: [x], method: ngram},"
        " {name: c, keywords: [x], fuzzy_match: true}], language: [{name: zh}], context:"
        " [{name: long, min_tokens: 1.5K}],"
        " reasks: [{name: r}], fact_check: [{name: needs_fact_check}], user_feedbacks: [{name:"
        " wrong_answer}],"
        " embeddings: [{name: e, threshold: 0.7, candidates: [x]}]}}\n"
    ).signals
    assert [rule.threshold for rule in signals.keywords] == [0.1, 0.4, 2.0]
    assert signals.keywords[1] == KeywordRule("b", "OR", ("x",), method="ngram", threshold=0.4, arity=3)
    assert signals.languages[0].threshold == 0.3
    assert signals.contexts == (ContextRule("long", 1500),)
    assert (signals.reasks[0].threshold, signals.reasks[0].lookback) == (0.8, 1)
    assert (signals.fact_checks[0].threshold, signals.feedbacks[0].threshold) == (0.6, 0.7)
    scoring = signals.embeddings[0].scoring
    assert (scoring.similarity, scoring.most, scoring.best_weight, scoring.top_m) == (0.9, 8, 0.75, 2)
    assert (signals.matching.top_k, signals.matching.soft, signals.matching.soft_threshold) == (1, True, 0.5)


def test_a_contrastive_rule_leaves_the_head_alone() -> None:
    given = "jailbreak_patterns: [x], benign_patterns: [y]"
    (rule,) = policy(
        f"routing: {{signals: {{jailbreak: [{{name: j, method: contrastive, {given}}}]}}}}\n"
    ).signals.jailbreaks
    assert rule == JailbreakRule("j", classifier=False, contrast=0.1, attacks=("x",), benign=("y",))


@pytest.mark.parametrize("method", ["max", "mean", "any"])
def test_every_aggregation_of_the_original_loads(method: str) -> None:
    entry = f"{{name: e, threshold: 0.5, candidates: [x], aggregation_method: {method}}}"
    scoring = policy(f"routing: {{signals: {{embeddings: [{entry}]}}}}\n").signals.embeddings[0].scoring
    assert scoring.aggregation == ("mean" if method == "mean" else "max")
