from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.config.documents import PROVIDERS, complaint, complaints, load, policy, warned
from vsr.config.lint.logic import Logic, Variable, _Table

DOMAIN = "routing:\n  signals:\n    domains: [{name: math}, {name: law}]\n"


def decisions(*lines: str) -> str:
    """Decisions over the two domains, one a line, from line 11 on."""
    return DOMAIN + "  decisions:\n" + "".join(f"    - {line}\n" for line in lines)


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            decisions("{name: d, modelRefs: [{model: c}]}"),
            "11: model 'c' is not in providers.models",
        ),
        (
            "routing: {signals: {domains: [{name: math, model_scores: [{model: aa, score: 1}]}]}}\n",
            "7: model 'aa' is not in providers.models; did you mean 'a'?",
        ),
        (
            "routing: {modelCards: [{name: a, loras: [{name: tuned}]}],\n"
            "  decisions: [{name: d, modelRefs: [{model: a, lora_name: tuend}]}]}\n",
            "8: 'tuend' is not a LoRA of 'a' in modelCards; did you mean 'tuned'?",
        ),
        (
            "routing: {modelCards: [{name: a, loras: [{name: tuned}]}],\n"
            "  decisions: [{name: d, modelRefs: [{model: b, lora_name: tuned}]}]}\n",
            "8: 'tuned' is not a LoRA of 'b' in modelCards",
        ),
        (
            decisions("{name: d, modelRefs: [{model: a}], rules: {type: domain, name: maths}}"),
            "11: there is no domain signal 'maths'; did you mean 'math'?",
        ),
        (
            decisions("{name: d, modelRefs: [{model: a}], rules: {type: jailbreak, name: math}}"),
            "11: there is no jailbreak signal 'math'",
        ),
        (
            "routing: {signals: {domains: [{name: maths}]}}\n",
            "domain 'maths' is no label of the classifier: give mmlu_categories; did you mean 'math'?",
        ),
        (
            "routing: {signals: {domains: [{name: x, mmlu_categories: [physic]}]}}\n",
            "7: unknown domain label 'physic'; did you mean 'physics'?",
        ),
        (
            "routing: {signals: {pii: [{name: p, pii_types_allowed: [EMAIL_ADRESS]}]}}\n",
            "7: unknown PII type 'EMAIL_ADRESS'; did you mean 'EMAIL_ADDRESS'?",
        ),
        (
            "global: {model_catalog: {modules: {classifier: {domain: {fallback_category: others}}}}}\n",
            "fallback_category 'others' is no domain; did you mean 'other'?",
        ),
    ],
)
def test_a_dangling_reference_is_an_error_with_line_and_nearest_name(extra: str, expected: str) -> None:
    assert expected in complaint(extra)


def test_the_default_model_and_reasoning_families_must_exist() -> None:
    text = PROVIDERS.replace("default_model: a", "default_model: aa").replace(
        "name: b,", "name: b, reasoning_family: qwen,"
    )
    assert complaints(text) == [
        "3: default_model 'aa' is not in providers.models; did you mean 'a'?",
        "6: reasoning family 'qwen' is not defined; did you mean 'qwen3'?",
    ]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (
            decisions("{name: d, modelRefs: [{model: a}]}", "{name: d, modelRefs: [{model: b}]}"),
            "12: decision 'd'",
        ),
        ("routing: {signals: {domains: [{name: math}, {name: math}]}}\n", "domains signal 'math'"),
        ("listeners:\n  - {port: 1}\n  - {port: 2}\n", "9: listener 'default'"),
        ("routing: {modelCards: [{name: a}, {name: a}]}\n", "model card 'a'"),
    ],
)
def test_a_name_given_twice_is_an_error(extra: str, expected: str) -> None:
    message = complaint(extra)
    assert expected in message
    assert "twice" in message


def test_a_name_cannot_be_both_a_model_and_a_lora_or_an_automatic_name() -> None:
    assert "LoRA 'b' has the name of a model" in complaint(
        "routing: {modelCards: [{name: a, loras: [{name: b}]}]}\n"
    )
    assert "'a' is both an automatic name and a model" in complaint(
        "global: {router: {auto_model_name: a}}\n"
    )


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("{operator: NOT, conditions: []}", "NOT takes exactly one condition, not 0"),
        (
            "{operator: NOT, conditions: [{type: domain, name: law}, {type: domain, name: math}]}",
            "NOT takes exactly one condition, not 2",
        ),
        ("{operator: OR}", "OR has no conditions"),
        (
            "{operator: AND, conditions: [{type: domain, name: law}, "
            "{operator: NOT, conditions: [{type: domain, name: law}]}]}",
            "decision 'd' can never match: its rules contradict each other",
        ),
        (
            "{operator: NOT, conditions: [{operator: OR, conditions: [{type: domain, name: law}, "
            "{operator: NOT, conditions: [{type: domain, name: law}]}]}]}",
            "decision 'd' can never match",
        ),
    ],
)
def test_a_rule_that_cannot_match_is_an_error(rules: str, expected: str) -> None:
    assert expected in complaint(decisions(f"{{name: d, modelRefs: [{{model: a}}], rules: {rules}}}"))


HEADERS = "modelRefs: [{model: a}], plugins: [{type: header_mutation, configuration: {%s}}]"
LAW = "rules: {type: domain, name: law}"
LAW_AND_MATH = "rules: {operator: AND, conditions: [{type: domain, name: law}, {type: domain, name: math}]}"
MODEL = "modelRefs: [{model: a}]"


def test_a_decision_behind_a_catch_all_or_a_wider_one_can_never_win() -> None:
    for first, second in (("", LAW), (LAW, LAW_AND_MATH), (LAW, LAW)):
        rules = f", {first}" if first else ""
        extra = decisions(f"{{name: x, priority: 9, {MODEL}{rules}}}", f"{{name: y, {MODEL}, {second}}}")
        assert "12: decision 'y' can never win: 'x' comes first and matches too" in complaint(extra)


def test_a_decision_can_be_dead_by_a_partition_alone() -> None:
    other = "rules: {operator: NOT, conditions: [{type: domain, name: math}]}"
    extra = decisions(f"{{name: x, priority: 9, {MODEL}, {other}}}", f"{{name: y, {MODEL}, {LAW}}}")
    partition = "  projections: {partitions: [{name: p, members: [math, law], default: law}]}\n"
    assert "'y' can never win" in complaint(extra + partition)


def test_decisions_without_a_signal_in_common_are_not_compared_in_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = []
    made = _Table.of_variables

    def count(variables: Sequence[Variable], logic: Logic) -> _Table | None:
        tables.append(variables)
        return made(variables, logic)

    monkeypatch.setattr(_Table, "of_variables", count)
    some = range(40)
    keywords = ", ".join(f"{{name: k{n}, keywords: [w{n}]}}" for n in some)
    entries = ", ".join(
        f"{{name: d{n}, priority: {n}, {MODEL}, rules: {{type: keyword, name: k{n}}}}}" for n in some
    )
    policy(f"routing: {{signals: {{keywords: [{keywords}]}}, decisions: [{entries}]}}\n")
    assert len(tables) < 3 * len(some)


def test_a_narrower_decision_or_an_equal_priority_or_another_strategy_shadows_nothing() -> None:
    narrow = decisions(f"{{name: x, priority: 9, {MODEL}, {LAW_AND_MATH}}}", f"{{name: y, {MODEL}, {LAW}}}")
    equal = decisions(f"{{name: x, {MODEL}}}", f"{{name: y, {MODEL}, {LAW}}}")
    confident = decisions(f"{{name: x, priority: 9, {MODEL}}}", f"{{name: y, {MODEL}, {LAW}}}")
    for extra in (narrow, equal, confident.replace("routing:\n", "routing:\n  strategy: confidence\n")):
        assert len(policy(extra).decisions) == 2


def test_an_earlier_tier_shadows_a_later_one_whatever_the_priority() -> None:
    extra = decisions(f"{{name: x, tier: 1, {MODEL}}}", f"{{name: y, tier: 2, priority: 9, {MODEL}, {LAW}}}")
    assert "'y' can never win" in complaint(extra)


def test_a_decision_without_a_tier_comes_before_those_that_have_one() -> None:
    extra = decisions(f"{{name: fallback, {MODEL}}}", f"{{name: law, tier: 1, {MODEL}, {LAW}}}")
    assert "decision 'law' can never win: 'fallback' comes first and matches too" in complaint(extra)


def test_a_rule_over_many_signals_is_taken_on_trust() -> None:
    names = [f"k{index}" for index in range(40)]
    signals = ", ".join(f"{{name: {name}, keywords: [{name}]}}" for name in names)
    conditions = ", ".join(f"{{type: keyword, name: {name}}}" for name in names)
    rules = f"rules: {{operator: AND, conditions: [{conditions}]}}"
    extra = f"routing: {{signals: {{keywords: [{signals}]}}, decisions: [{{name: d, {MODEL}, {rules}}}]}}\n"
    assert policy(extra).decisions[0].name == "d"


def test_a_rule_may_name_a_label_instead_of_its_domain() -> None:
    extra = (
        "routing: {signals: {domains: [{name: code, mmlu_categories: [computer science]}]},\n"
        f"  decisions: [{{name: d, {MODEL}, rules: {{type: domain, name: computer_science}}}}]}}\n"
    )
    rule = policy(extra).decisions[0].rules
    assert rule is not None
    assert "code" in repr(rule)


# ---------------------------------------------------------------- decisions that cannot be carried out


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (LAW, "decision 'd' does nothing: give modelRefs or the plugin fast_response"),
        (
            f"{MODEL}, plugins: [{{type: pii, configuration: {{action: mask}}}}]",
            "action mask needs pii_types_allowed",
        ),
        (
            HEADERS % "add: [{name: Host, value: x}]",
            "header 'Host' belongs to the connection",
        ),
        (
            HEADERS % "delete: [x-vsr-debug]",
            "header 'x-vsr-debug' belongs to the router",
        ),
        (
            HEADERS % "update: [{name: 'a b', value: x}]",
            "'a b' is not a header name",
        ),
        (
            HEADERS % 'add: [{name: a, value: "x\\ny"}]',
            "the value of header 'a' holds control characters",
        ),
        (
            HEADERS % "add: [{name: X-Authz-User-Id, value: x}]",
            "header 'X-Authz-User-Id' belongs to the router",
        ),
        (
            HEADERS % "update: [{name: accept-encoding, value: gzip}]",
            "header 'accept-encoding' belongs to the connection",
        ),
        (
            HEADERS % "delete: [proxy-authorization]",
            "header 'proxy-authorization' belongs to the connection",
        ),
        (
            HEADERS % "add: [{name: a, value: 数学}]",
            "the value of header 'a' holds characters beyond Latin-1",
        ),
        (
            f"{MODEL}, plugins: [{{type: fast_response, configuration: {{message: a}}}}, "
            "{type: fast_response, configuration: {message: b}}]",
            "plugin 'fast_response' is defined twice",
        ),
    ],
)
def test_a_decision_that_cannot_be_carried_out_is_an_error(body: str, expected: str) -> None:
    assert expected in complaint(decisions(f"{{name: d, {body}}}"))


# ---------------------------------------------------------------- warnings


def test_what_has_no_effect_is_a_warning() -> None:
    assert warned(decisions("{name: d, modelRefs: [{model: a, use_reasoning: true}]}")) == [
        "11: model 'a' has no reasoning_family, so use_reasoning has no effect",
        "6: no decision and no domain chooses model 'b'; clients can only name it",
    ]
    assert warned("routing: {modelCards: [{name: c}]}\n") == ["7: 'c' is not in providers.models"]


def test_two_domains_for_one_label_are_a_warning() -> None:
    extra = "routing: {signals: {domains: [{name: math}, {name: x, mmlu_categories: [math]}]}}\n"
    assert warned(extra) == ["7: domains 'math' and 'x' both claim 'math'; the first has precedence"]


def test_no_default_model_is_a_warning() -> None:
    text = PROVIDERS.replace("  defaults: {default_model: a}\n", "")
    warnings = [warning.message for warning in load(text).warnings]
    assert warnings == ["no default_model: requests that no decision or domain claims are answered with 400"]
