"""The operator's system prompt in the client's conversation."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from vsr.plugins.system_prompt import apply
from vsr.route import SystemPrompt

USER = {"role": "user", "content": "hi", "name": "ann"}
REPLACE = SystemPrompt("Be kind.")
INSERT = SystemPrompt("Be kind.", "insert")


def body(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "auto", "messages": list(messages), "x_unknown": {"kept": True}}


def system(content: Any, role: str = "system") -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize("plugin", [REPLACE, INSERT])
def test_without_a_system_message_one_is_put_first(plugin: SystemPrompt) -> None:
    assert apply(body(USER), plugin) == body(system("Be kind."), USER)


def test_replace_drops_every_system_message_of_the_client() -> None:
    changed = apply(body(system("Old."), USER, system("Older.", "developer")), REPLACE)
    assert changed == body(system("Be kind."), USER)


def test_replace_keeps_the_role_that_the_client_speaks() -> None:
    assert apply(body(system("Old.", "developer")), REPLACE) == body(system("Be kind.", "developer"))


def test_insert_puts_the_text_before_what_is_there() -> None:
    changed = apply(body(system("Old.") | {"name": "app"}, USER), INSERT)
    assert changed == body(system("Be kind.\n\nOld.") | {"name": "app"}, USER)


def test_insert_joins_structured_content() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert apply(body(system(parts)), INSERT) == body(system("Be kind.\n\nOne.\nTwo."))


def test_insert_loses_no_part_that_is_not_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    changed = apply(body(system([image])), INSERT)
    assert changed == body(system([{"type": "text", "text": "Be kind."}, image]))


@pytest.mark.parametrize("content", [None, "", []])
def test_insert_into_an_empty_system_message_leaves_no_blank_lines(content: object) -> None:
    assert apply(body(system(content)), INSERT)["messages"][0]["content"].strip() == "Be kind."


@pytest.mark.parametrize("plugin", [REPLACE, INSERT])
def test_the_parsed_body_is_never_changed(plugin: SystemPrompt) -> None:
    original = body(system([{"type": "text", "text": "Old."}]), USER)
    before = copy.deepcopy(original)
    apply(original, plugin)
    assert original == before


def test_a_body_without_messages_is_left_alone() -> None:
    assert apply({"prompt": "hi"}, REPLACE) == {"prompt": "hi"}
