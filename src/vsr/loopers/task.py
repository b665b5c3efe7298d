"""What one run starts from: the request as every model may see it, the decision, what is known of models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vsr.config.policy import Decision, Looper, LooperLimits, ModelRef, Policy
from vsr.loopers.aids import Aids
from vsr.loopers.calls import Ask
from vsr.selection.choice import Candidate
from vsr.selection.members import named
from vsr.selection.state import Advice
from vsr.selection.static import score_of

_TOOLS = ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
_OF_THE_ANSWER = ("stream", "stream_options", "n", "logprobs", "top_logprobs", "response_format")
_LIMITS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Ballot:
    """Which model answers is still open: the candidates, and which it is once advice was asked for. `settle`
    raises a RequestError if it may be none."""

    candidates: tuple[ModelRef, ...]
    settle: Callable[[Advice], ModelRef]


@dataclass(frozen=True, slots=True)
class Task:
    """body: masked and with the decision's system prompt. category: of the request, for scores of models.
    reveal: a plain answer may show what models said on the way. seed: differs between requests. ballot: of
    the algorithm `prompt`."""

    body: Mapping[str, Any] = field(repr=False)
    decision: Decision
    policy: Policy
    stream: bool = False
    category: str = ""
    reveal: bool = True
    seed: int = 0
    ballot: Ballot | None = None
    aids: Aids = field(default_factory=Aids)

    @property
    def looper(self) -> Looper:
        assert self.decision.looper is not None, "a task is made for a decision with a looper"
        return self.decision.looper

    @property
    def limits(self) -> LooperLimits:
        return self.policy.looper_limits

    @property
    def refs(self) -> tuple[ModelRef, ...]:
        return self.decision.models

    def ref(self, name: str) -> ModelRef:
        return named(name, self.decision, self.policy)

    def candidate(self, ref: ModelRef) -> Candidate:
        return Candidate(ref, self.policy.models[ref.model], score_of(ref, self.category, self.policy))

    def question(self) -> str:
        """The text of the last message of a user."""
        for message in reversed(self.body["messages"]):
            if message["role"] == "user":
                return _text(message.get("content"))
        return ""

    def texts(self, roles: Collection[str]) -> list[str]:
        """Of the messages with one of these roles."""
        return [
            _text(message.get("content")) for message in self.body["messages"] if message["role"] in roles
        ]

    def intermediate(
        self,
        ref: ModelRef,
        extra: str = "",
        *,
        temperature: float | None = None,
        max_completion_tokens: int | None = None,
    ) -> Ask:
        """A call whose answer the client does not get: plain text, one choice, no tools to call."""
        body = _without(self.body, (*_TOOLS, *_OF_THE_ANSWER))
        return Ask(ref, _with(body, extra, temperature, max_completion_tokens))

    def closing(
        self,
        ref: ModelRef,
        extra: str = "",
        *,
        temperature: float | None = None,
        max_completion_tokens: int | None = None,
    ) -> Ask:
        """A call whose answer is the client's: with its tools and its format."""
        return Ask(ref, _with(dict(self.body), extra, temperature, max_completion_tokens), self.stream)


def whole(ask: Ask, **fields: object) -> Ask:
    """The same call for an answer that must be read before it is passed on."""
    body = _without(ask.body, ("stream", "stream_options"))
    return Ask(ask.ref, body | {"n": 1} | fields if "n" in body else body | fields)


def without_tools(ask: Ask) -> Ask:
    return Ask(ask.ref, _without(ask.body, _TOOLS), ask.stream)


def _without(body: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}


def _with(body: dict[str, Any], extra: str, temperature: float | None, most: int | None) -> dict[str, Any]:
    if extra:
        body["messages"] = [*body["messages"], {"role": "user", "content": extra}]
    if temperature is not None:
        body["temperature"] = temperature
    if most is not None:
        key = next((key for key in _LIMITS if key in body), _LIMITS[0])
        own = body.get(key)
        body[key] = min(own, most) if isinstance(own, int) else most  # the strictest holds
    return body


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))
