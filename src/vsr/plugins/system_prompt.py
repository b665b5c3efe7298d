"""Plugin `system_prompt`: puts the operator's instructions before, or in place of, the client's.

Works on a copy. It moves messages, so paths into the body (masking) are used up before it runs.
"""

from __future__ import annotations

from typing import Any

from vsr.route import SystemPrompt

_SYSTEM_ROLES = ("system", "developer")


def apply(body: dict[str, Any], plugin: SystemPrompt) -> dict[str, Any]:
    """The body with the prompt in it; the same body if it has no list of messages."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    first = next((index for index, message in enumerate(messages) if _is_system(message)), None)
    if first is None:
        return {**body, "messages": [{"role": "system", "content": plugin.text}, *messages]}
    if plugin.mode == "insert":
        joined = {**messages[first], "content": _joined(plugin.text, messages[first].get("content"))}
        return {**body, "messages": [*messages[:first], joined, *messages[first + 1 :]]}
    # The role is kept: back ends that know `developer` may not accept `system` beside it.
    own = {"role": messages[first]["role"], "content": plugin.text}
    return {**body, "messages": [own, *(message for message in messages if not _is_system(message))]}


def _is_system(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in _SYSTEM_ROLES


def _joined(text: str, content: object) -> str | list[Any]:
    """Structured content becomes one string, unless a part of it is not text and would be lost."""
    if isinstance(content, list):
        if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
            return [{"type": "text", "text": text}, *content]
        content = "\n".join(part["text"] for part in content)
    return f"{text}\n\n{content}" if isinstance(content, str) and content else text
