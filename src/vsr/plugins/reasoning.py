"""Reasoning mode: tells a model to think or not to, in the words of its family.

Off is said as explicitly as on, since many models think unless told otherwise. A model without a
family gets its body unchanged: nobody said how it wants to be told.
"""

from __future__ import annotations

from typing import Any, Literal

from vsr.config.policy import ReasoningFamily

_OFF_EFFORT = "low"  # families that only know effort cannot be switched off


def apply(
    body: dict[str, Any],
    family: ReasoningFamily | None,
    dialect: Literal["vllm", "openai"],
    reasoning: bool | None,
    effort: str,
) -> dict[str, Any]:
    """A new body. reasoning None leaves the client's own setting alone; effort "" means medium."""
    if family is None or reasoning is None:
        return body
    changed = {key: value for key, value in body.items() if key != "reasoning_effort"}
    if family.type == "chat_template_kwargs":
        return _with_template_argument(changed, family.parameter, reasoning)
    level = (effort or "medium") if reasoning else _client_effort(body)
    if family.type == "reasoning_effort" and dialect == "vllm":
        return _with_template_argument(changed, family.parameter, level)
    return {**changed, family.parameter: level}


def _client_effort(body: dict[str, Any]) -> str:
    asked = body.get("reasoning_effort")
    return asked if isinstance(asked, str) and asked else _OFF_EFFORT


def _with_template_argument(body: dict[str, Any], name: str, value: bool | str) -> dict[str, Any]:
    existing = body.get("chat_template_kwargs")
    arguments = existing if isinstance(existing, dict) else {}
    return {**body, "chat_template_kwargs": {**arguments, name: value}}
