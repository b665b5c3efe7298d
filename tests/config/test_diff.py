"""Two configurations are compared by what they do."""

from __future__ import annotations

from tests.config.documents import PROVIDERS, load, policy
from vsr.config.diff import compare

DECISION = (
    "routing:\n  signals: {keywords: [{name: k, keywords: [x]}]}\n"
    "  decisions: [{name: d, priority: 1, modelRefs: [{model: a}], rules: {type: keyword, name: k}}]\n"
)


def told(before: str, after: str) -> list[str]:
    return [str(change) for change in compare(load(before).policy, load(after).policy)]


def test_the_way_a_file_is_written_makes_no_difference() -> None:
    other = "# a comment\n" + PROVIDERS.replace("{default_model: a}", "{default_model: 'a'}")
    other += "global: {guards: {jailbreak: {mode: enforce}}}\n"
    assert told(PROVIDERS, other) == []


def test_what_is_added_removed_and_changed_is_told_by_name() -> None:
    assert told(PROVIDERS, PROVIDERS.replace("default_model: a", "default_model: b")) == [
        "~ default_model: a → b"
    ]
    added = told(PROVIDERS, PROVIDERS + DECISION)
    assert [one.split(":")[0] for one in added] == ["+ signals.keywords.k", "+ decisions.d"]
    removed = told(PROVIDERS + DECISION, PROVIDERS)
    assert [one.split(":")[0] for one in removed] == ["- signals.keywords.k", "- decisions.d"]
    changed = DECISION.replace("priority: 1", "priority: 2")
    assert told(PROVIDERS + DECISION, PROVIDERS + changed) == ["~ decisions.d.priority: 1 → 2"]


def test_a_threshold_of_a_guard_is_told_with_both_values() -> None:
    changes = compare(policy(), policy("global: {guards: {jailbreak: {threshold: 0.9}}}\n"))
    assert [str(change) for change in changes] == ["~ guards.jailbreak.threshold: none → 0.9"]


def test_a_changed_secret_is_told_and_not_shown() -> None:
    keyed = PROVIDERS.replace('endpoint: "127.0.0.1:9001"', 'endpoint: "127.0.0.1:9001", api_key_env: K')
    changes = compare(load(keyed, {"K": "hunter2"}).policy, load(keyed, {"K": "hunter3"}).policy)
    assert [str(change) for change in changes] == ["~ models.a.backends.a/0.api_key: <secret> → <secret>"]


def test_another_order_of_what_is_tried_in_order_is_told() -> None:
    one = "routing: {decisions: [{name: d, modelRefs: [{model: a}]}, {name: e, modelRefs: [{model: b}]}]}\n"
    other = "routing: {decisions: [{name: e, modelRefs: [{model: b}]}, {name: d, modelRefs: [{model: a}]}]}\n"
    assert told(PROVIDERS + one, PROVIDERS + other) == ["~ decisions (order): d before e → e before d"]


def test_an_expression_is_told_by_its_text() -> None:
    guards = "global: {guards: {jailbreak: {allow_list: ['%s']}}}\n"
    changes = compare(policy(guards % "a+"), policy(guards % "b+"))
    assert [str(change) for change in changes] == ["~ guards.jailbreak.allow_list: [a+] → [b+]"]
    keyword = DECISION.replace("keywords: [x]", "method: regex, keywords: [x]")
    assert told(PROVIDERS + keyword, PROVIDERS + keyword) == []
    source = "{type: regex, pattern: %s}"
    shape = "routing: {signals: {structure: [{name: s, feature: {type: count, source: " + source + "}}]}}\n"
    assert told(PROVIDERS + shape % "a", PROVIDERS + shape % "b") == [
        "~ signals.structures.s.expression: a → b"
    ]


def test_values_of_header_fields_are_never_shown() -> None:
    header = PROVIDERS.replace(
        'endpoint: "127.0.0.1:9001"', 'endpoint: "127.0.0.1:9001", extra_headers: {x-team: "${K}"}'
    )
    plugin = DECISION.replace(
        "priority: 1",
        "plugins: [{type: header_mutation, configuration: {update: [{name: x-token, value: '${K}'}],"
        " add: [{name: x-a, value: 'Bearer ${K}'}]}}]",
    )
    one, other = (load(header + plugin, {"K": key}).policy for key in ("hunter2", "hunter3"))
    changes = [str(change) for change in compare(one, other)]
    assert [change.split(":")[0] for change in changes] == [
        "~ models.a.backends.a/0.extra_headers",
        "~ decisions.d.plugins",
    ]
    told = [*changes, *map(str, compare(policy(), one)), *map(str, compare(other, policy()))]
    assert "x-token" in changes[1]
    assert "hunter" not in " ".join(told)
