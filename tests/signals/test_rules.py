"""Rules about the shape of a request, its caller and what goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.signals.asking import matched, only, rules, signals, user
from vsr.signals.asked import Asked
from vsr.signals.authz import Caller
from vsr.signals.context import PER_IMAGE, TokenCalibration
from vsr.signals.modality import detect
from vsr.signals.structure import COUNTED

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "42"}
IMAGE = {
    "role": "user",
    "content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}],
}


def structure(feature: str, source: str, predicate: str = "") -> Any:
    bounds = f", predicate: {{{predicate}}}" if predicate else ""
    return rules(f"{{structure: [{{name: s, feature: {{type: {feature}, source: {source}}}{bounds}}}]}}")


@pytest.mark.parametrize(
    ("text", "holds"), [("a? b? c？ d?", True), ("a?", False), ("好吗？真的？吗？啊？", True)]
)
def test_occurrences_are_counted(text: str, holds: bool) -> None:
    policy = structure("count", "{type: regex, pattern: '[?？]'}", "gte: 4")
    assert bool(matched(policy, text)) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("First load it, then sort it", True),
        ("then load it, first", False),
        ("thirsty, then", False),
        ("首先读取，然后排序", True),
        ("然后读取，首先", False),
    ],
)
def test_markers_must_follow_one_another(text: str, holds: bool) -> None:
    policy = structure("sequence", "{type: sequence, sequences: [[first, then], [首先, 然后]]}")
    assert bool(matched(policy, text)) is holds


@pytest.mark.parametrize("text", ["at most three at least two", "最多三个至少两个"])
def test_density_is_per_word_or_character(text: str) -> None:
    source = "{type: keyword_set, keywords: [at most, at least, 最多, 至少]}"
    signal = only(structure("density", source, "gt: 0.1"), text)
    assert signal.matched
    assert signal.value is not None
    assert 0.2 < signal.value < 0.5


def test_an_expression_is_counted_in_the_beginning_of_a_long_text_and_found_in_all_of_it() -> None:
    text = ("word " * 9 + "mark ") * (COUNTED // 20) + "?" * 9
    end = "{type: regex, pattern: '[?]'}"
    assert only(structure("count", end), text).value == 0
    assert only(structure("exists", end), text).matched
    density = only(structure("density", "{type: regex, pattern: mark}"), text).value
    assert density == pytest.approx(0.1, abs=0.001)


def test_bytes_are_those_of_utf_8() -> None:
    assert only(structure("count", "{type: text_bytes}", "gte: 6"), "中文").value == 6
    assert Asked("\ud800").size == 3


@pytest.mark.parametrize(
    ("source", "messages", "value"),
    [
        ("{type: message}", [user("a"), CALL, RESULT], 3),
        ("{type: message, role: user}", [user("a"), CALL, RESULT], 1),
        ("{type: message, role: non_user}", [user("a"), CALL, RESULT], 2),
        ("{type: assistant_tool_call}", [user("a"), CALL, RESULT], 1),
        ("{type: assistant_tool_cycle}", [user("a"), CALL, RESULT], 1),
        ("{type: active_tool_loop}", [user("a"), CALL, RESULT], 1),
        ("{type: active_tool_loop}", [user("a"), CALL, RESULT, user("b")], 0),
        ("{type: image_content}", [IMAGE, IMAGE], 2),
        ("{type: tool_choice_required}", [user("a")], 0),
    ],
)
def test_conversations_are_counted(source: str, messages: list[dict[str, Any]], value: int) -> None:
    policy = rules(f"{{conversation: [{{name: c, feature: {{type: count, source: {source}}}}}]}}")
    signal = only(policy, messages)
    assert (signal.value, signal.matched) == (value, value > 0)


def test_context_counts_text_framing_images_and_the_answer() -> None:
    policy = rules("{context: [{name: long, min_tokens: 1K, max_tokens: 2K}, {name: any}]}")
    small = signals(policy, "hello")["context", "any"].value
    assert small is not None
    assert small < 20
    assert matched(policy, "word " * 900) == {"long", "any"}
    assert matched(policy, "hello", max_tokens=1_500) == {"long", "any"}
    assert matched(policy, "word " * 9_000) == {"any"}
    pictured = signals(policy, [IMAGE])["context", "any"].value
    assert pictured is not None
    assert pictured >= PER_IMAGE


def test_chinese_takes_a_token_a_character() -> None:
    value = only(rules("{context: [{name: c}]}"), "中" * 1000).value
    assert value is not None
    assert 900 < value < 1100


def test_calibration_follows_slowly_and_within_bounds() -> None:
    calibration = TokenCalibration()
    calibration.observe(10, 1000)
    assert calibration.factor == 1.0
    for _ in range(1000):
        calibration.observe(100, 100_000)
    assert 1.9 < calibration.factor <= 2.0


@pytest.mark.parametrize(
    ("predicate", "metadata", "holds"),
    [
        ("equals: denied", {"consent": "denied"}, True),
        ("equals: denied", {"consent": "given"}, False),
        ("equals: denied", {}, False),
        ("in: [a, b]", {"consent": "b"}, True),
        ("exists: true", {"consent": ""}, True),
        ("exists: false", {}, True),
        ("exists: false", {"consent": "x"}, False),
    ],
)
def test_metadata_is_compared(predicate: str, metadata: dict[str, str], holds: bool) -> None:
    policy = rules(f"{{metadata: [{{name: m, key: consent, predicate: {{{predicate}}}}}]}}")
    assert bool(matched(policy, "hi", metadata=metadata)) is holds


EVENT = (
    "{events: [{name: e, event_types: [payment_failed], severities: [Critical], action_codes:"
    " [TXN1], temporal: true}]}"
)


@pytest.mark.parametrize(
    ("text", "metadata", "confidence"),
    [
        ("all is well", {}, 0.0),
        ("a critical failure", {}, 0.625),
        ("payment_failed TXN1 critical, now", {}, 1.0),
        ("x", {"event_type": "payment_failed", "severity": "CRITICAL"}, 0.75),
        ("支付出错，请立即处理", {}, 0.625),
    ],
)
def test_events_are_told_from_text_and_metadata(
    text: str, metadata: dict[str, str], confidence: float
) -> None:
    signal = only(rules(EVENT), text, metadata=metadata)
    assert (signal.matched, signal.confidence) == (confidence > 0, confidence)


BINDING = (
    "{role_bindings: [{name: b, role: admin, subjects: [{kind: User, name: ann}, {kind: Group, name: ops}]}]}"
)


@pytest.mark.parametrize(
    ("caller", "found"),
    [
        (Caller(), set()),
        (Caller("ann"), {"b", "admin"}),
        (Caller("bob", frozenset({"ops"})), {"b", "admin"}),
        (Caller("ops"), set()),
    ],
)
def test_roles_belong_to_authenticated_callers(caller: Caller, found: set[str]) -> None:
    assert matched(rules(BINDING), "hi", caller=caller) == found


@pytest.mark.parametrize(
    ("text", "modality"),
    [
        ("What is the capital of France?", "AR"),
        ("Draw a cat on a roof", "DIFFUSION"),
        ("Generate an image of a red fox", "DIFFUSION"),
        ("画一只猫", "DIFFUSION"),
        ("请生成一张山水画的图片", "DIFFUSION"),
        ("Describe this picture", "AR"),
        ("How do I build a docker image?", "AR"),
        ("Draw a conclusion from this data", "AR"),
        ("描述这张图片", "AR"),
        ("Create an image of a heart and explain how it works", "BOTH"),
        ("生成一张心脏的图片，并解释它如何工作", "BOTH"),
        ("", "AR"),
    ],
)
def test_what_is_wanted_is_told_from_the_words(text: str, modality: str) -> None:
    assert detect(Asked(text))[0] == modality


def test_the_requests_own_modalities_decide() -> None:
    policy = rules("{modality: [{name: AR}, {name: DIFFUSION}, {name: BOTH}]}")
    assert matched(policy, "a cat", modalities=["image"]) == {"DIFFUSION"}
    assert matched(policy, "a cat", modalities=["text", "image"]) == {"BOTH"}
    assert matched(policy, "a cat") == {"AR"}
