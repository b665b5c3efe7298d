"""Telling families of models to reason, or not to."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest

from vsr.config.policy import ReasoningFamily
from vsr.plugins.reasoning import apply

QWEN = ReasoningFamily("qwen3", "chat_template_kwargs", "enable_thinking")
GPT = ReasoningFamily("gpt-oss", "reasoning_effort", "reasoning_effort")
TOP = ReasoningFamily("grok", "top_level_reasoning_effort", "reasoning_effort")


@pytest.mark.parametrize("dialect", ["vllm", "openai"])
@pytest.mark.parametrize("reasoning", [True, False])
def test_a_template_switch_is_set_explicitly_on_and_off(
    dialect: Literal["vllm", "openai"], reasoning: bool
) -> None:
    body = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": "?", "tools": 1}}
    assert apply(body, QWEN, dialect, reasoning, "") == {
        "chat_template_kwargs": {"enable_thinking": reasoning, "tools": 1}
    }


def test_effort_goes_where_the_dialect_reads_it() -> None:
    assert apply({}, GPT, "vllm", True, "high") == {"chat_template_kwargs": {"reasoning_effort": "high"}}
    assert apply({}, GPT, "openai", True, "high") == {"reasoning_effort": "high"}
    assert apply({}, TOP, "vllm", True, "high") == {"reasoning_effort": "high"}


def test_effort_is_medium_where_nobody_says_more() -> None:
    assert apply({"reasoning_effort": "high"}, TOP, "vllm", True, "") == {"reasoning_effort": "medium"}


def test_switched_off_a_family_of_efforts_keeps_the_clients_or_takes_low() -> None:
    assert apply({"reasoning_effort": "minimal"}, TOP, "vllm", False, "high") == {
        "reasoning_effort": "minimal"
    }
    assert apply({"reasoning_effort": None}, GPT, "openai", False, "high") == {"reasoning_effort": "low"}
    assert apply({"reasoning_effort": "high"}, GPT, "vllm", False, "") == {
        "chat_template_kwargs": {"reasoning_effort": "high"}
    }


@pytest.mark.parametrize(("family", "reasoning"), [(None, True), (QWEN, None)])
def test_without_a_family_or_a_decision_the_clients_setting_stays(
    family: ReasoningFamily | None, reasoning: bool | None
) -> None:
    body = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": True}}
    assert apply(body, family, "vllm", reasoning, "low") == body


@pytest.mark.parametrize("garbage", [None, "yes", [1]])
def test_template_arguments_that_are_no_object_are_replaced(garbage: object) -> None:
    assert apply({"chat_template_kwargs": garbage}, QWEN, "vllm", False, "") == {
        "chat_template_kwargs": {"enable_thinking": False}
    }


def test_the_parsed_body_is_never_changed() -> None:
    body: dict[str, Any] = {"model": "m", "reasoning_effort": "low", "chat_template_kwargs": {"a": 1}}
    before = copy.deepcopy(body)
    for family in (QWEN, GPT, TOP):
        apply(body, family, "vllm", True, "high")
    assert body == before
