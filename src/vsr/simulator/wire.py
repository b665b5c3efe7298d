"""How answers look on the wire: the JSON bodies and the event stream of vLLM's OpenAI server."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterator
from typing import Any

from vsr.simulator.answers import Said, ToolCall, pieces

VERSION = "0.11.0"
"""The version of vLLM whose manners these are."""

FINGERPRINT = "vsr-simulator"
DONE = b"data: [DONE]\n\n"


def dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def event(value: object) -> bytes:
    return b"data: " + dump(value) + b"\n\n"


def error(status: int, message: str, kind: str, param: str | None = None) -> bytes:
    return dump({"error": {"message": message, "type": kind, "param": param, "code": status}})


def model_list(models: tuple[str, ...]) -> bytes:
    created = int(time.time())
    return dump(
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": created, "owned_by": "vsr-simulator", "root": name}
                for name in models
            ],
        }
    )


def usage(body: dict[str, Any], choices: list[Said]) -> dict[str, object]:
    """Prompt tokens are estimated as a quarter of the bytes, as no tokenizer is at hand."""
    prompt = len(dump(body.get("messages"))) // 4 + 1
    completion = sum(said.tokens for said in choices)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def completion(body: dict[str, Any], model: str, choices: list[Said], logprob: float | None = None) -> bytes:
    """The answer to a request that did not ask for a stream."""
    return dump(
        {
            **_envelope("chat.completion", model),
            "choices": [
                {
                    "index": index,
                    "message": _message(said),
                    "logprobs": _logprobs(body, said.content, logprob),
                    "finish_reason": said.finish_reason,
                    "stop_reason": None,
                }
                for index, said in enumerate(choices)
            ],
            "usage": usage(body, choices),
        }
    )


def events(
    body: dict[str, Any], model: str, choices: list[Said], logprob: float | None = None
) -> Iterator[bytes]:
    """The answer as server-sent events, one per token, `[DONE]` included."""
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and options.get("include_usage") is True
    envelope = _envelope("chat.completion.chunk", model)
    unknown: dict[str, object] = {"usage": None} if wants_usage else {}
    for index, said in enumerate(choices):
        for delta, finish_reason in _deltas(said):
            content = delta.get("content")
            spoken = (content,) if isinstance(content, str) and content else ()
            choice = {
                "index": index,
                "delta": delta,
                "logprobs": _logprobs(body, spoken, logprob) if spoken else None,
                "finish_reason": finish_reason,
            }
            yield event({**envelope, "choices": [choice], **unknown})
    if wants_usage:
        yield event({**envelope, "choices": [], "usage": usage(body, choices)})
    yield DONE


def _logprobs(body: dict[str, Any], spoken: tuple[str, ...], logprob: float | None) -> object:
    """Every token with the same probability, and its runner-up with what is left of it."""
    if body.get("logprobs") is not True or logprob is None:
        return None
    rest = math.log(max(1e-9, 1 - math.exp(logprob)))
    count = body.get("top_logprobs")
    top = [("", logprob), ("?", rest)][: count if isinstance(count, int) else 0]
    return {
        "content": [
            {
                "token": piece,
                "logprob": logprob,
                "bytes": None,
                "top_logprobs": [
                    {"token": other or piece, "logprob": value, "bytes": None} for other, value in top
                ],
            }
            for piece in spoken
        ]
    }


def _envelope(kind: str, model: str) -> dict[str, object]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": FINGERPRINT,
    }


def _message(said: Said) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": "".join(said.content), "refusal": None}
    if said.reasoning:
        # `reasoning_content` is the older name of `reasoning`; clients of both are about.
        message["reasoning"] = message["reasoning_content"] = "".join(said.reasoning)
    if said.tool:
        message["content"] = None
        message["tool_calls"] = [_tool(said.tool)]
    return message


def _tool(call: ToolCall) -> dict[str, object]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _deltas(said: Said) -> Iterator[tuple[dict[str, object], str | None]]:
    yield {"role": "assistant", "content": ""}, None
    for piece in said.reasoning:
        yield {"reasoning": piece, "reasoning_content": piece}, None
    for piece in said.content:
        yield {"content": piece}, None
    if said.tool:
        opening = {"index": 0, **_tool(ToolCall(said.tool.id, said.tool.name, ""))}
        yield {"tool_calls": [opening]}, None
        for piece in pieces(said.tool.arguments):
            yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, None
    yield {}, said.finish_reason
