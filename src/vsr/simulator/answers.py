"""What the simulated model says: which server it is, in the language of the question.

It quotes only the beginning of a prompt: enough for a person to recognise the request, and to see
what was masked on the way.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

QUOTED_CHARACTERS = 60
MAX_ANSWER_TOKENS = 100_000

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_TOKEN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+")
_TOOL_REQUEST = re.compile(r"call (the|a) tool|use the tool|调用工具|使用工具", re.IGNORECASE)
_THINKING_OFF = ("none", "off", "minimal")


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Said:
    """One choice: pieces are roughly tokens, so that they can be counted, cut and paced."""

    reasoning: tuple[str, ...]
    content: tuple[str, ...]
    tool: ToolCall | None
    finish_reason: str

    @property
    def tokens(self) -> int:
        spoken = len(self.reasoning) + len(self.content)
        return spoken + (len(pieces(self.tool.arguments)) if self.tool else 0)


def pieces(text: str) -> tuple[str, ...]:
    """Text in token-like pieces: words with the space after them, Chinese character by character."""
    return tuple(_TOKEN.findall(text))


def say(body: dict[str, Any], model: str, address: str, script: tuple[tuple[str, str], ...] = ()) -> Said:
    """The answer of `model`, served at `address`, to a parsed chat request. script: texts that are looked
    for in the question, with the answer to it."""
    question = last_user_text(body)
    reasoning = pieces(_reasoning_text(question, model)) if thinks(body) else ()
    tool = _wanted_tool(body, question)
    if tool:
        return Said(reasoning, (), tool, "tool_calls")
    scripted = next((answer for text, answer in script if text in question), None)
    content = pieces(_answer_text(question, model, address) if scripted is None else scripted)
    return _limited(body, reasoning, content)


def last_user_text(body: dict[str, Any]) -> str:
    """Text of the last user message; parts that are not text are skipped."""
    for message in reversed(body.get("messages") or []):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            parts = content if isinstance(content, list) else []
            texts = [part.get("text") for part in parts if isinstance(part, dict)]
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def thinks(body: dict[str, Any]) -> bool:
    """Whether the request switches reasoning on, in any of the ways servers know."""
    kwargs = body.get("chat_template_kwargs")
    if isinstance(kwargs, dict):
        for name in ("enable_thinking", "thinking"):
            if name in kwargs:
                return bool(kwargs[name])
    effort = body.get("reasoning_effort") or (
        kwargs.get("reasoning_effort") if isinstance(kwargs, dict) else None
    )
    return isinstance(effort, str) and effort not in _THINKING_OFF


def _limited(body: dict[str, Any], reasoning: tuple[str, ...], content: tuple[str, ...]) -> Said:
    limit = _count(body, "max_completion_tokens") or _count(body, "max_tokens")
    least = limit if body.get("ignore_eos") is True else _count(body, "min_tokens")
    if content and len(reasoning) + len(content) < least:
        content = (content * (least // len(content) + 1))[: least - len(reasoning)]
    if limit and len(reasoning) + len(content) >= limit:
        kept = reasoning[:limit]
        return Said(kept, content[: limit - len(kept)], None, "length")
    return Said(reasoning, content, None, "stop")


def _count(body: dict[str, Any], key: str) -> int:
    value = body.get(key)
    return min(value, MAX_ANSWER_TOKENS) if isinstance(value, int) and value > 0 else 0


def _answer_text(question: str, model: str, address: str) -> str:
    quoted = question.strip()[:QUOTED_CHARACTERS]
    more = "…" if len(question.strip()) > QUOTED_CHARACTERS else ""
    if _HAN.search(question[:10_000]):
        return f"我是 {model},运行在 {address}(模拟后端)。您问的是:「{quoted}{more}」"
    if not quoted:
        return f"I am {model} at {address} (simulated). You asked nothing that I can read."
    return f"I am {model} at {address} (simulated). You asked: “{quoted}{more}”"


def _reasoning_text(question: str, model: str) -> str:
    if _HAN.search(question[:10_000]):
        return f"{model} 正在思考一个 {len(question)} 个字的问题。"
    return f"{model} thinks about a question of {len(question)} characters. "


def _wanted_tool(body: dict[str, Any], question: str) -> ToolCall | None:
    tools = body.get("tools")
    choice = body.get("tool_choice", "auto")
    if not isinstance(tools, list) or choice == "none":
        return None
    functions = [_mapping(tool, "function") for tool in tools if _mapping(tool, "function")]
    if isinstance(choice, dict):
        name = _mapping(choice, "function").get("name")
        functions = [function for function in functions if function.get("name") == name]
    elif choice != "required" and not _TOOL_REQUEST.search(question[:10_000]):
        return None
    if not functions:
        return None
    arguments = json.dumps(_example(functions[0].get("parameters") or {}), ensure_ascii=False)
    return ToolCall("chatcmpl-tool-0", str(functions[0].get("name", "")), arguments)


def _example(schema: Any, depth: int = 0) -> Any:
    """The simplest value that a JSON schema allows."""
    if not isinstance(schema, dict) or depth > 5:
        return {}
    values = schema.get("enum")
    if isinstance(values, list) and values:
        return values[0]
    match schema.get("type", "object"):
        case "string":
            return "example"
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return []
        case _:
            properties = _mapping(schema, "properties")
            return {name: _example(part, depth + 1) for name, part in properties.items()}


def _mapping(holder: Any, key: str) -> dict[str, Any]:
    """Empty for whatever else a client has put there."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}
