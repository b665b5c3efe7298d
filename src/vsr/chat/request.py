"""One OpenAI chat-completions request, checked as far as we rely on it.

Only what routing and guards need is validated; the rest of the body passes through and is the back
end's to judge. Messages of errors never quote the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vsr.chat import fields
from vsr.chat.conversation import Conversation, read_conversation
from vsr.chat.edit import Change, set_paths
from vsr.chat.json_text import is_json, without_unicode_escapes
from vsr.chat.passages import read_passages
from vsr.errors import InvalidRequest
from vsr.facts import Passage

MAX_METADATA_ENTRIES = 32
MAX_METADATA_KEY_BYTES = 128
MAX_METADATA_VALUE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """body: what to forward; edit it only through `chat.edit`. wants_usage: the client itself asked for
    usage at the end of the stream. ask: indices of the passages with a person's last words (what routing
    reads), without what a harness wrote around them. unread: kinds of content that no head can read."""

    body: dict[str, Any] = field(repr=False)
    model: str
    stream: bool
    wants_usage: bool
    passages: tuple[Passage, ...]
    ask: tuple[int, ...]
    unread: tuple[str, ...]
    conversation: Conversation = field(default_factory=Conversation)


def parse_chat_request(body: dict[str, Any]) -> ChatRequest:
    """Raises InvalidRequest with `param`, or TooLarge for a body of too many values."""
    _check_names(body, "the body")
    _check_messages(body.get("messages"))
    model = _model(body)
    stream = _flag(body, "stream")
    options = _object(body, "stream_options")
    _check_metadata(body)
    _check_template(body)
    body = _with_plain_arguments(body)
    reading = read_passages(body)
    return ChatRequest(
        body=body,
        model=model,
        stream=stream,
        wants_usage=stream and options.get("include_usage") is True,
        passages=reading.passages,
        ask=reading.ask,
        unread=reading.unread,
        conversation=read_conversation(body, reading.turns, reading.ends_with_person),
    )


def _check_messages(messages: object) -> None:
    if messages is None:
        raise InvalidRequest("messages field is required", param="messages")
    if not isinstance(messages, list):
        raise InvalidRequest("messages field must be an array", param="messages")
    if not messages:
        raise InvalidRequest("messages must hold at least one message", param="messages")
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]")


def _check_names(holder: object, where: str) -> None:
    """Back ends in Go match names whatever their case, so `Messages` would be read there and not here."""
    for name in holder if isinstance(holder, dict) else ():
        if name not in fields.NAMES and (known := name.casefold()) in fields.NAMES:
            raise InvalidRequest(f"{where} has a field that differs from {known} in case only", param=known)


def _check_message(message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise InvalidRequest(f"{where} must be an object", param=where)
    _check_names(message, where)
    _check_names(message.get("function_call"), f"{where}.function_call")
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        _check_names(call, f"{where}.tool_calls")
        _check_names(call.get("function") if isinstance(call, dict) else None, f"{where}.tool_calls")
    role = message.get("role")
    if not isinstance(role, str) or not role:
        raise InvalidRequest(f"{where}.role is required and must be a string", param=f"{where}.role")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        expected = "must be a string, an array of parts or null"
        raise InvalidRequest(f"{where}.content {expected}", param=f"{where}.content")
    for index, part in enumerate(content):
        _check_part(part, f"{where}.content[{index}]")


def _check_part(part: object, where: str) -> None:
    if isinstance(part, str):  # not OpenAI's format, but vLLM takes it
        return
    if not isinstance(part, dict):
        raise InvalidRequest(f"{where} must be an object", param=where)
    _check_names(part, where)
    if not isinstance(part.get("type"), str):
        raise InvalidRequest(f"{where}.type is required and must be a string", param=f"{where}.type")


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if model is None or model == "":
        raise InvalidRequest("missing required field: model", param="model")
    if not isinstance(model, str):
        raise InvalidRequest("model must be a string", param="model")
    return model


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"{name} must be boolean", param=name)
    return value is True


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"{name} must be an object", param=name)
    return value


def _check_metadata(body: Mapping[str, Any]) -> None:
    metadata = _object(body, "metadata")
    if len(metadata) > MAX_METADATA_ENTRIES:
        raise InvalidRequest(
            f"metadata must not have more than {MAX_METADATA_ENTRIES} entries", param="metadata"
        )
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise InvalidRequest("metadata must map strings to strings", param="metadata")
        if len(key.encode()) > MAX_METADATA_KEY_BYTES:
            raise InvalidRequest(
                f"a key of metadata is longer than {MAX_METADATA_KEY_BYTES} bytes", param="metadata"
            )
        if len(value.encode()) > MAX_METADATA_VALUE_BYTES:
            raise InvalidRequest(
                f"a value of metadata is longer than {MAX_METADATA_VALUE_BYTES} bytes", param="metadata"
            )


def _check_template(body: Mapping[str, Any]) -> None:
    """A template is a program: it can put words together that no judge has seen. vLLM before 0.11 lets the
    template's arguments replace it too (CVE-2025-61620)."""
    for where in ("", "chat_template_kwargs", "extra_body", "extra_body.chat_template_kwargs"):
        holder: Any = body
        for name in where.split(".") if where else ():
            holder = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and holder.get("chat_template") is not None:
            param = f"{where}.chat_template".lstrip(".")
            raise InvalidRequest(f"{param} cannot be set by a request here", param=param)


def _with_plain_arguments(body: dict[str, Any]) -> dict[str, Any]:
    r"""`body` without \u escapes in the arguments of tool calls.

    Arguments are JSON inside a string, and back ends parse it before they print it into the prompt:
    `\u0069gnore` would reach the model as a word that no judge has read.
    """
    changes: list[Change] = []
    for index, message in enumerate(body["messages"]):
        calls = message.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            path = ("messages", index, "tool_calls", number, "function", "arguments")
            changes += _plain(function, path)
        changes += _plain(message.get("function_call"), ("messages", index, "function_call", "arguments"))
    return set_paths(body, changes) if changes else body


def _plain(function: object, path: tuple[str | int, ...]) -> list[Change]:
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(arguments, str) or "\\u" not in arguments:
        return []
    if not is_json(f"[{arguments}]"):
        return []  # whoever cannot parse it prints it as it stands, which is what was read
    plain = without_unicode_escapes(arguments)
    try:
        plain.encode()
    except UnicodeEncodeError:
        where = f"messages[{path[1]}]"
        raise InvalidRequest(
            f"{where}: a tool call's arguments have half of a surrogate pair", param=where
        ) from None
    return [(path, plain)]
