"""One OpenAI chat-completions request, checked as far as we rely on it.

Only what routing and guards need is validated; the rest of the body passes through and is the back
end's to judge. Messages of errors never quote the client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vsr.chat import fields
from vsr.chat.conversation import Conversation, read_conversation
from vsr.chat.edit import Change, set_paths
from vsr.chat.json_text import is_json, without_unicode_escapes
from vsr.chat.parts import with_texts_apart
from vsr.chat.passages import read_passages
from vsr.errors import InvalidRequest
from vsr.facts import BodyPath, Passage

MAX_METADATA_ENTRIES = 32
MAX_METADATA_KEY_BYTES = 128
MAX_METADATA_VALUE_BYTES = 1024

_HALF_OF_A_PAIR = re.compile("[\ud800-\udfff]")


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
    _check_refused(body)
    body = _with_plain_json(body)
    body = with_texts_apart(body)
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
    if role not in fields.ROLES and (known := role.strip().casefold()) in fields.ROLES:
        # some back ends take it for that, and neither routing nor the system prompt's plugin does
        raise InvalidRequest(
            f"{where}.role differs from {known} in case or blanks only", param=f"{where}.role"
        )
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


def _check_refused(body: Mapping[str, Any]) -> None:
    """What no judge could read, and what would choose another model than the route's."""
    for where, refused in fields.REFUSED.items():
        holder: Any = body
        for name in where:
            holder = holder.get(name) if isinstance(holder, dict) else None
        for name, value in holder.items() if isinstance(holder, dict) else ():
            known = name.casefold()
            if value is not None and known in refused:
                param = ".".join((*where, known))
                why = ", the router chooses the model" if known in fields.MODEL_CHOICES else ""
                raise InvalidRequest(f"{param} cannot be set by a request here{why}", param=param)


def _with_plain_json(body: dict[str, Any]) -> dict[str, Any]:
    r"""`body` without \u escapes in what is JSON inside a string: arguments of tool calls, results of tools.

    Back ends parse arguments before they print them into the prompt: `\u0069gnore` would reach the model
    as a word that no judge has read. Results many programs write with escapes for all that is not ASCII,
    which a model reads as well as the letters, and in which no name would be found.
    """
    changes: list[Change] = []
    for index, message in enumerate(body["messages"]):
        base: BodyPath = ("messages", index)
        calls = message.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, dict) else None
            changes += _plain_arguments(function, (*base, "tool_calls", number, "function", "arguments"))
        changes += _plain_arguments(message.get("function_call"), (*base, "function_call", "arguments"))
        if fields.ROLES.get(message["role"]) == "tool":
            changes += _plain_result(message.get("content"), (*base, "content"))
    return set_paths(body, changes) if changes else body


def _plain_arguments(function: object, path: BodyPath) -> list[Change]:
    plain = _plain(function.get("arguments") if isinstance(function, dict) else None)
    if _HALF_OF_A_PAIR.search(plain):
        where = f"messages[{path[1]}]"
        raise InvalidRequest(f"{where}: a tool call's arguments have half of a surrogate pair", param=where)
    return [(path, plain)] if plain else []


def _plain_result(content: object, path: BodyPath) -> list[Change]:
    """Half of a surrogate pair stays escaped: a text that was cut off in the middle of one is no fault of
    the client's."""
    texts: dict[BodyPath, object] = {path: content}
    for index, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict):
            texts[*path, index, "text"] = part.get("text")
        else:
            texts[*path, index] = part
    return [
        (where, _HALF_OF_A_PAIR.sub(lambda half: f"\\u{ord(half[0]):04x}", plain))
        for where, text in texts.items()
        if (plain := _plain(text))
    ]


def _plain(text: object) -> str:
    """The JSON `text` without escapes; "" if there are none or it is no JSON: whoever cannot parse it
    prints it as it stands, which is what was read."""
    if not isinstance(text, str) or "\\u" not in text or not is_json(text):
        return ""
    return without_unicode_escapes(text)
