"""What one process remembers between requests for the sake of selection, and one request's part in it.

`Memory` outlives configurations: a reload goes on with it. A `Turn` reads it when its request arrives
and tells it how the request went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vsr.config.policy import Policy
from vsr.errors import ConfigError, Problem
from vsr.route import Route
from vsr.selection.feedback import Outcome
from vsr.selection.feedback_file import FeedbackFile
from vsr.selection.observations import Recorder
from vsr.selection.sessions import Pin, Sessions, is_tool_loop, session_key
from vsr.selection.state import Knowledge, State


@dataclass(eq=False)
class Memory:
    """Used from one event loop."""

    recorder: Recorder = field(default_factory=Recorder)
    sessions: Sessions = field(default_factory=lambda: Sessions(10_000))
    file: FeedbackFile | None = None

    @classmethod
    def of(cls, policy: Policy) -> Memory:
        """Raises ConfigError if the feedback file cannot be used."""
        memory = cls(sessions=Sessions(policy.learning.max_sessions))
        path = policy.learning.feedback_file
        if path:
            try:
                memory.file = FeedbackFile(Path(path), memory.recorder.feedback)
            except OSError as error:
                raise ConfigError(
                    [Problem(f"global.router.learning.feedback_file: {path}: {error.strerror}")]
                ) from None
        return memory

    def learn(self, outcome: Outcome, event: str = "") -> bool:
        """False for an outcome of an event that was taken before. Raises OSError if the feedback file cannot
        be written; the outcome is not taken then."""
        if self.file is None:
            return self.recorder.feedback.learn(outcome, event)
        return self.file.add(outcome, event)

    def state(self, knowledge: Knowledge, pin: Pin | None = None) -> State:
        if self.file is not None:
            self.file.follow()
        return State(self.recorder.snapshot(), knowledge, pin)

    def turn(
        self,
        headers: Mapping[str, str],
        body: Mapping[str, object],
        principal: str,
        policy: Policy,
        knowledge: Knowledge,
    ) -> Turn:
        """policy: of the recipe that is asked. Without protection only requests with tools have a session:
        what else could be a loop?"""
        protection = policy.learning.protection
        wanted = protection.enabled or "tools" in body or "functions" in body
        key = session_key(headers, body, principal, protection, policy.recipe) if wanted else ""
        pin = self.sessions.get(key) if key else None
        if pin is not None:
            pin = replace(pin, tool_loop=is_tool_loop(body))
        return Turn(self, key, self.state(knowledge, pin))

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


@dataclass(eq=False)
class Turn:
    """One request. `sent` once it goes to a back end, then `ended` exactly once."""

    memory: Memory
    key: str
    state: State
    _model: str = ""

    def sent(self, route: Route) -> None:
        self._model = route.model
        self.memory.recorder.started(route.model)

    def ended(
        self,
        route: Route,
        *,
        success: bool,
        first: float | None = None,
        whole: float = 0.0,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        """Seconds to the first byte of a stream (None for a plain answer) and to the end. Without `sent`
        nothing is recorded."""
        if not self._model:
            return
        self.memory.recorder.ended(self._model)
        self._model = ""
        if not success:
            return
        self.memory.recorder.answered(route.model, first, whole, completion_tokens)
        if self.key and route.algorithm != "specified":
            self.memory.sessions.put(
                self.key,
                Pin(
                    route.model,
                    route.lora,
                    route.decision,
                    route.reasoning is True,
                    route.reasoning_effort,
                    prompt_tokens,
                ),
            )
