from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.simulator.client import ask, question, stream
from vsr.simulator import Settings, SimulatorServer

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with SimulatorServer(Settings(models=("math-7b", "general-8b"))) as server:
        yield server


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


async def test_an_answer_names_the_model_and_the_server_it_came_from(server: SimulatorServer) -> None:
    status, answer = await ask(server, question())
    assert status == 200
    assert text(answer) == (
        f"I am math-7b at 127.0.0.1:{server.port} (simulated). You asked: “What is a prime number?”"
    )
    assert answer["model"] == "math-7b"
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_a_chinese_question_is_answered_in_chinese(server: SimulatorServer) -> None:
    _, answer = await ask(server, question("帮我解这道微积分题"))
    assert "我是 math-7b" in text(answer)
    assert "帮我解这道微积分题" in text(answer)


async def test_a_long_prompt_is_not_echoed_whole(server: SimulatorServer) -> None:
    _, answer = await ask(server, question("word " * 1000))
    assert len(text(answer)) < 200


async def test_usage_adds_up(server: SimulatorServer) -> None:
    _, answer = await ask(server, question())
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] > 5


async def test_max_tokens_cuts_the_answer_and_says_so(server: SimulatorServer) -> None:
    _, answer = await ask(server, question(max_tokens=3))
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


async def test_ignore_eos_fills_the_answer_up_to_max_tokens(server: SimulatorServer) -> None:
    _, answer = await ask(server, question(max_tokens=500, ignore_eos=True))
    assert answer["usage"]["completion_tokens"] == 500


async def test_n_gives_that_many_choices(server: SimulatorServer) -> None:
    _, answer = await ask(server, question(n=3))
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]


async def test_an_unknown_model_is_404(server: SimulatorServer) -> None:
    status, answer = await ask(server, {**question(), "model": "nobody"})
    assert status == 404
    assert answer["error"]["type"] == "NotFoundError"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":"math-7b"}', b'{"model":"math-7b","messages":[]}'])
async def test_a_body_that_is_no_chat_request_is_400(server: SimulatorServer, body: bytes) -> None:
    status, answer = await ask(server, body)
    assert status == 400
    assert answer["error"]["code"] == 400


async def test_a_stream_says_the_same_as_a_plain_answer(server: SimulatorServer) -> None:
    _, plain = await ask(server, question())
    chunks = await stream(server, question())
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(pieces) == text(plain)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_a_stream_carries_usage_only_if_asked(server: SimulatorServer) -> None:
    without = await stream(server, question())
    assert not any("usage" in chunk for chunk in without)
    asked = await stream(server, question(stream_options={"include_usage": True}))
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in asked[:-1])


@pytest.mark.parametrize(
    ("fields", "thinks"),
    [
        ({}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"chat_template_kwargs": {"thinking": True}}, True),
        ({"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "high"}, False),
        ({"chat_template_kwargs": {"reasoning_effort": "high"}}, True),
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "none"}, False),
    ],
)
async def test_reasoning_is_there_when_it_is_switched_on(
    server: SimulatorServer, fields: dict[str, Any], thinks: bool
) -> None:
    _, answer = await ask(server, question(**fields))
    message = answer["choices"][0]["message"]
    assert ("reasoning_content" in message) is thinks
    assert ("reasoning" in message) is thinks
    chunks = await stream(server, question(**fields))
    assert any("reasoning_content" in chunk["choices"][0]["delta"] for chunk in chunks) is thinks


@pytest.mark.parametrize(
    ("fields", "prompt", "calls"),
    [
        ({"tool_choice": "required"}, "hello", True),
        ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, "hello", True),
        ({}, "Please call the tool.", True),
        ({}, "请调用工具", True),
        ({}, "hello", False),
        ({"tool_choice": "none"}, "Please call the tool.", False),
    ],
)
async def test_a_tool_is_called_on_demand(
    server: SimulatorServer, fields: dict[str, Any], prompt: str, calls: bool
) -> None:
    _, answer = await ask(server, question(prompt, tools=[TOOL], **fields))
    choice = answer["choices"][0]
    assert (choice["finish_reason"] == "tool_calls") is calls
    if calls:
        function = choice["message"]["tool_calls"][0]["function"]
        assert function == {"name": "weather", "arguments": '{"city": "example", "days": 1}'}


async def test_the_openai_client_understands_it(server: SimulatorServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"http://{server.address}/v1", api_key="any") as client:
        models = [model.id async for model in client.models.list()]
        assert models == ["math-7b", "general-8b"]
        events = await client.chat.completions.create(
            model="math-7b",
            messages=[{"role": "user", "content": "call the tool"}],
            tools=[TOOL],
            stream=True,
        )
        arguments = ""
        async for event in events:
            for call in event.choices[0].delta.tool_calls or []:
                arguments += (call.function.arguments if call.function else None) or ""
        assert arguments == '{"city": "example", "days": 1}'


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": "x"}]},
        {"tools": [{"type": "function", "function": None}]},
        {"tools": [{"function": {"name": "f", "parameters": {"properties": ["a"], "enum": {"a": 1}}}}]},
        {"tools": [TOOL], "tool_choice": {"function": "f"}},
    ],
)
async def test_strange_tools_are_answered(server: SimulatorServer, fields: dict[str, Any]) -> None:
    status, _ = await ask(server, question("call the tool", **fields))
    assert status == 200


async def test_an_empty_answer_stays_empty_whatever_its_least_length() -> None:
    async with SimulatorServer(Settings(script=(("prime", ""),))) as server:
        status, answer = await ask(server, question(min_tokens=5))
    assert (status, text(answer)) == (200, "")


async def test_answers_that_would_be_enormous_together_are_400(server: SimulatorServer) -> None:
    status, answer = await ask(server, question(n=128, max_tokens=50_000, ignore_eos=True))
    assert (status, answer["error"]["code"]) == (400, 400)
