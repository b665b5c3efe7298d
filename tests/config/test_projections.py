"""`routing.projections` and the parts of rules that read them."""

from __future__ import annotations

import pytest

from tests.config.documents import complaint, policy, warned
from vsr.config.policy import Band, Bands, Branch, Input, Leaf, Partition, Score
from vsr.config.predicate import Predicate
from vsr.route import Retention

SIGNALS = """\
  signals:
    domains: [{name: math}, {name: law}, {name: other}]
    keywords: [{name: k, keywords: [x]}]
"""
SCORE = "{name: s, inputs: [{type: keyword, name: k, weight: 1}]}"


def routing(projections: str = "", rules: str = "{type: keyword, name: k}") -> str:
    """Projections begin in line 11."""
    return (
        f"routing:\n{SIGNALS}  projections: {{{projections}}}\n"
        f"  decisions: [{{name: d, modelRefs: [{{model: a}}, {{model: b}}], rules: {rules}}}]\n"
    )


def test_projections_are_compiled_each_after_those_it_reads() -> None:
    compiled = policy(
        routing(
            "partitions: [{name: p, semantics: softmax_exclusive, members: [math, law], default: law}], "
            "scores: [{name: t, inputs: [{type: projection, name: s, weight: 2}, "
            "{type: projection, name: high, weight: 1, value_source: confidence}]}, " + SCORE + "], "
            "mappings: [{name: m, source: s, method: multi_emit, outputs: [{name: high, gte: 0.5}]}]",
            "{type: projection, name: high}",
        )
    ).projections
    assert compiled.partitions == (Partition("p", "domain", ("math", "law"), "law", 1.0),)
    assert compiled.steps == (
        Score("s", (Input("keyword", "k", 1.0),)),
        Bands("m", "s", (Band("high", Predicate(gte=0.5)),), several=True),
        Score("t", (Input("projection", "s", 2.0, "score"), Input("projection", "high", 1.0, "confidence"))),
    )


def test_a_leaf_may_have_a_label_and_a_predicate() -> None:
    rules = "{operator: AND, conditions: [{type: domain, name: math, predicate: {gt: 0.2, lte: 0.9}}]}"
    compiled = policy(routing(rules=rules)).decisions[0].rules
    assert compiled == Branch("AND", (Leaf("domain", "math", predicate=Predicate(gt=0.2, lte=0.9)),))


def test_emits_and_annotations_are_kept() -> None:
    extra = (
        "routing: {decisions: [{name: d, modelRefs: [{model: a}, {model: b}], annotations: {owner: me, n: 1},"
        " emits: [{kind: retention, retention: {ttl_turns: 3, drop: false}}]}]}\n"
    )
    decision = policy(extra).decisions[0]
    assert decision.annotations == {"owner": "me", "n": 1}
    assert decision.retention == Retention(drop=False, ttl_turns=3)


def test_an_empty_and_is_a_catch_all() -> None:
    assert policy(routing(rules="{operator: AND}")).decisions[0].rules == Branch("AND", ())


@pytest.mark.parametrize(
    ("projections", "expected"),
    [
        ("partitions: [{name: p, members: [math, lwa]}]", "there is no domain signal 'lwa'; did you mean"),
        ("partitions: [{name: p, members: [math]}]", "needs at least two members"),
        ("partitions: [{name: p, members: [math, law], default: other}]", "default 'other' is not a member"),
        ("scores: [{name: s, inputs: [{type: keyword, name: j, weight: 1}]}]", "no keyword signal 'j'"),
        (
            "scores: [{name: s, inputs: [{type: kb_metric, name: k, weight: 1}]}]",
            "of type kb_metric needs kb and metric",
        ),
        ("scores: [{name: s, inputs: []}]", "score 's' has no inputs"),
        ("mappings: [{name: m, source: t, outputs: [{name: o, lt: 1}]}]", "there is no score 't'"),
        (
            f"scores: [{SCORE}], mappings: [{{name: m, source: s, outputs: [{{name: o}}]}}]",
            "needs at least one of gt, gte, lt, lte",
        ),
        (
            f"scores: [{SCORE}], mappings: [{{name: m, source: s, outputs: [{{name: o, gt: 2, lt: 1}}]}}]",
            "holds for no number",
        ),
    ],
)
def test_what_is_wrong_with_a_projection_is_told(projections: str, expected: str) -> None:
    assert expected in complaint(routing(projections))


def test_projections_in_a_circle_are_refused_with_the_path() -> None:
    circle = (
        "scores: [{name: s, inputs: [{type: projection, name: o, weight: 1}]}], "
        "mappings: [{name: m, source: s, outputs: [{name: o, lt: 1}]}]"
    )
    message = complaint(routing(circle, "{type: projection, name: o}"))
    assert "depend on each other in a circle: " in message
    assert "score s reads mapping m" in message or "mapping m reads score s" in message


def test_a_projection_that_nobody_reads_is_a_warning() -> None:
    mapping = "mappings: [{name: m, source: s, outputs: [{name: o, lt: 1}]}]"
    assert any("no mapping reads score 's'" in one for one in warned(routing(f"scores: [{SCORE}]")))
    told = warned(routing(f"scores: [{SCORE}], {mapping}"))
    assert any("no decision asks for an output of mapping 'm'" in one for one in told)


MATH_AND_LAW = "{operator: AND, conditions: [{type: domain, name: math}, {type: domain, name: law}]}"
PARTITION = "partitions: [{name: p, members: [math, law]}]"
BANDS = (
    f"scores: [{SCORE}], "
    "mappings: [{name: m, source: s, outputs: [{name: lo, lt: 1}, {name: hi, gte: 1}]}]"
)


@pytest.mark.parametrize(
    ("projections", "rules"),
    [
        (PARTITION, MATH_AND_LAW),
        (BANDS, "{operator: AND, conditions: [{type: projection, name: lo}, {type: projection, name: hi}]}"),
        (
            "",
            "{operator: AND, conditions: [{type: domain, name: law, predicate: {lt: 0.3}}, "
            "{type: domain, name: law, predicate: {gte: 0.3}}]}",
        ),
        (
            "",
            "{operator: AND, conditions: [{type: domain, name: law, predicate: {gte: 0.8}}, "
            "{operator: NOT, conditions: [{type: domain, name: law, predicate: {gte: 0.5}}]}]}",
        ),
    ],
)
def test_rules_that_ask_for_what_excludes_itself_can_never_match(projections: str, rules: str) -> None:
    assert "can never match" in complaint(routing(projections, rules))


def test_what_may_both_hold_is_no_contradiction() -> None:
    assert policy(routing("", MATH_AND_LAW)).decisions
    both = "{operator: AND, conditions: [{type: projection, name: lo}, {type: projection, name: hi}]}"
    assert policy(
        routing(
            BANDS.replace("lt: 1", "lte: 2").replace("source: s,", "source: s, method: multi_emit,"), both
        )
    )
    unsure = MATH_AND_LAW.replace("name: law}", "name: law, on_error: match}")
    assert policy(routing(PARTITION, unsure)).decisions


def test_a_rule_that_always_holds_is_a_warning() -> None:
    rules = (
        "{operator: OR, conditions: [{type: keyword, name: k}, "
        "{operator: NOT, conditions: [{type: keyword, name: k}]}]}"
    )
    assert any("matches every request" in one for one in warned(routing("", rules)))


def test_several_decisions_may_leave_nothing_to_a_later_one() -> None:
    decisions = (
        "routing:\n" + SIGNALS + "  decisions:\n"
        "  - {name: x, priority: 3, modelRefs: [{model: a}], rules: {type: keyword, name: k}}\n"
        "  - {name: y, priority: 2, modelRefs: [{model: b}], rules: {operator: NOT, conditions: "
        "[{type: keyword, name: k}]}}\n"
        "  - {name: z, priority: 1, modelRefs: [{model: b}], rules: {type: domain, name: law}}\n"
    )
    assert "'z' can never win: 'x' and 'y' come first, and one matches too" in complaint(decisions)
