"""Chat completions that are written here instead of by a model: canned answers, softened refusals."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Literal

from vsr.chat.body import dump_json
from vsr.chat.sse import DONE, encode_event

FAST_ID = "chatcmpl-fast-"
ROUTER_MODEL = "router"

_WORD = re.compile(r"\s*\S+\s*|\s+")
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def completion(
    text: str,
    *,
    stream: bool,
    model: str = ROUTER_MODEL,
    finish_reason: Literal["stop", "content_filter"] = "stop",
    id_prefix: str = FAST_ID,
    usage_requested: bool = False,
    created: int | None = None,
) -> bytes:
    """The whole answer: a `chat.completion`, or for `stream` all events of one, word by word.

    created: Unix time, now by default. No model ran, so usage is zero.
    """
    created = int(time.time()) if created is None else created
    head = {"id": f"{id_prefix}{created}", "created": created, "model": model}
    if stream:
        chunks = _chunks(text, head, finish_reason, usage_requested)
        return b"".join(map(encode_event, chunks)) + DONE
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return dump_json({**head, "object": "chat.completion", "choices": [choice], "usage": _NO_USAGE})


def _chunks(
    text: str, head: dict[str, Any], finish_reason: str, usage_requested: bool
) -> Iterator[dict[str, Any]]:
    head = {**head, "object": "chat.completion.chunk"}
    # OpenAI sends `usage: null` before the last event, and no such field to who did not ask.
    extra: dict[str, Any] = {"usage": None} if usage_requested else {}
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in _WORD.findall(text))]
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}], **extra}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}], **extra}
    if usage_requested:
        yield {**head, "choices": [], "usage": _NO_USAGE}
