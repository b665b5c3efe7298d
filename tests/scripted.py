"""A scripted encoder and a small policy: judging without a model, for tests of everything around it.

The script is in the text: `math!` is mathematics, `attack!` a jailbreak, `alice` a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vsr.config.policy import (
    Backend,
    DomainRule,
    Guards,
    JailbreakRule,
    Model,
    ModelScore,
    Policy,
    ReasoningFamily,
    Signals,
)
from vsr.encoder.bundle import default_bundle_path, load_bundle
from vsr.encoder.manifest import Manifest
from vsr.facts import Coverage, Entity, Passage, Readings, WindowRisk

DOMAINS = ("math", "law", "other")


class ScriptedBundle:
    digest = "scripted"

    def guarded_windows(self, readings: Readings) -> int:
        return len(readings.jailbreak)

    def jailbreak_threshold(self, role: str, windows: int) -> float:
        return 0.9 if role == "system" else 0.8


@dataclass
class BundleWithManifest(ScriptedBundle):
    """Describes itself as the packaged bundle does."""

    manifest: Manifest = field(default_factory=lambda: load_bundle(default_bundle_path()).manifest)


@dataclass
class ScriptedEncoder:
    """Reads the script out of the text. error: raised instead. gate: waited for before answering."""

    error: Exception | None = None
    gate: asyncio.Event | None = None
    calls: int = 0
    bundle: ScriptedBundle = field(default_factory=ScriptedBundle)
    closed: bool = False

    def knows(self, word: str) -> bool:
        return True

    async def read(
        self, passages: Sequence[Passage], ask: Sequence[int], *, deadline: float | None = None
    ) -> Readings:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        asked = " ".join(passages[index].text.reveal() for index in ask)
        top = next((label for label in DOMAINS if f"{label}!" in asked), "other")
        domain = {label: 0.9 if label == top else 0.05 for label in DOMAINS} if ask else {}
        return Readings(
            domain=domain,
            jailbreak=tuple(
                WindowRisk(index, 0.97 if "attack!" in passage.text.reveal() else 0.02)
                for index, passage in enumerate(passages)
            ),
            entities=tuple(_people(passages)),
            coverage=Coverage(tokens=sum(len(passage.text) for passage in passages), windows=len(passages)),
        )

    async def aclose(self) -> None:
        self.closed = True


def _people(passages: Sequence[Passage]) -> list[Entity]:
    found = []
    for index, passage in enumerate(passages):
        start = passage.text.reveal().find("alice")
        if start >= 0:
            found.append(Entity("PERSON", index, start, start + 5, 0.95))
    return found


QWEN = ReasoningFamily("qwen3", "chat_template_kwargs", "enable_thinking")


def make_model(name: str, port: int = 9001, **settings: object) -> Model:
    backend = Backend(name=f"{name}/0", model=name, scheme="http", host="127.0.0.1", port=port)
    return Model(name=name, model_id=name, backends=(backend,), **settings)  # type: ignore[arg-type] # test shorthand


def make_policy(port: int = 9001, change: Callable[[dict[str, object]], None] | None = None) -> Policy:
    """Two models: math-7b for `math!`, general-8b by default. `change` edits the fields first."""
    fields: dict[str, object] = {
        "models": {
            "math-7b": make_model("math-7b", port, reasoning_family=QWEN),
            "general-8b": make_model("general-8b", port),
        },
        "default_model": "general-8b",
        "signals": Signals(
            domains=(
                DomainRule(
                    "math",
                    frozenset({"math"}),
                    0.5,
                    (ModelScore("math-7b", 0.9, use_reasoning=True), ModelScore("general-8b", 0.4)),
                ),
                DomainRule("law", frozenset({"law"}), 0.5, (ModelScore("general-8b", 0.7),)),
            ),
            jailbreaks=(JailbreakRule("attack"),),
        ),
        "guards": Guards(),
    }
    if change is not None:
        change(fields)
    return Policy(**fields)  # type: ignore[arg-type] # test shorthand
