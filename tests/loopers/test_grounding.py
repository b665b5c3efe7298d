"""How well a panel's answers are supported, what the judge is told of it, and what is kept from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.loopers.world import Looping, looping
from tests.signals.asking import vector
from vsr.encoder.failures import EncoderFailed
from vsr.loopers.aids import Aids
from vsr.loopers.grounding import parts_of, support
from vsr.signals.prototypes import Vector
from vsr.simulator import Settings

PARIS = "Paris is the capital of France and its largest city."
LYON = "Lyon cooks well on rivers under hills near mountains."
DOCUMENT = " ".join([LYON] * 9)


class WordAids(Aids):
    """Texts are near if they share words."""

    async def vectors(self, texts: Sequence[str], *, deadline: float) -> list[Vector]:
        return [vector(text) for text in texts]


class NoAids(Aids):
    async def vectors(self, texts: Sequence[str], *, deadline: float) -> list[Vector]:
        raise EncoderFailed("the encoder is closed")


@asynccontextmanager
async def panel(aids: Aids | None = None, *, third: str = LYON, **grounding: Any) -> AsyncIterator[Looping]:
    """a and b say the same of Paris, c speaks of Lyon; the judge is d."""
    said = {"a": PARIS, "b": PARIS, "c": third}
    models = {name: Settings(script=(("", text),)) for name, text in said.items()} | {"d": Settings()}
    fusion = {"model": "d", "analysis_mode": "one_call", "grounding": {"enabled": True, **grounding}}
    async with looping({"type": "fusion", "fusion": fusion}, models, refs=("a", "b", "c")) as world:
        world.generation.aids = aids or WordAids()
        yield world


def told(world: Looping) -> str:
    text: str = world.asked("d")[0]["messages"][-1]["content"]
    return text


async def test_the_judge_is_told_how_well_the_answers_support_each_other_and_to_weigh_by_it() -> None:
    async with panel() as world:
        reply = await world.chat()
        grounding = reply.json["looper"]["grounding"]
        scores = {one["model"]: one["score"] for one in grounding["scores"]}
        assert (grounding["reference"], grounding["policy"]) == ("panel", "weight")
        assert scores["a"] == scores["b"] > scores["c"]
        assert f"- response 3: {scores['c']:.2f}" in told(world)
        assert "more weight" in told(world)
        assert world.calls() == {"a": 1, "b": 1, "c": 1, "d": 1}


async def test_annotate_tells_and_does_not_say_what_to_make_of_it() -> None:
    async with panel(policy="annotate") as world:
        await world.chat()
        assert "- response 1:" in told(world)
        assert "more weight" not in told(world)


@pytest.mark.parametrize(("keep", "seen"), [(1, 2), (3, 3)])
async def test_filter_keeps_what_is_not_supported_from_the_judge_but_for_the_best(
    keep: int, seen: int
) -> None:
    async with panel(policy="filter", min_score=0.45, min_keep=keep) as world:
        shown = (await world.chat()).json["looper"]["grounding"]["scores"]
        assert [one["dropped"] for one in shown] == [False, False, seen == 2]
        assert told(world).count("<response ") == seen
        assert "response 1:" not in told(world)


async def test_documents_of_the_request_are_what_answers_are_held_against_where_there_are_any() -> None:
    messages = [{"role": "system", "content": DOCUMENT}, {"role": "user", "content": "why?"}]
    async with panel() as world:
        grounding = (await world.chat(messages=messages)).json["looper"]["grounding"]
        assert grounding["reference"] == "context"
        scores = [one["score"] for one in grounding["scores"]]
        assert scores[2] > 0.9 > 0.5 > scores[0]
        short = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "why?"}]
        assert (await world.chat(messages=short)).json["looper"]["grounding"]["reference"] == "panel"


async def test_without_a_source_to_hold_them_against_answers_stay_as_they_are() -> None:
    async with panel(reference="context") as world:
        assert "grounding" not in (await world.chat()).json["looper"]
        assert "- response 1:" not in told(world)


async def test_without_vectors_fusion_goes_on_and_counts_it_or_fails_if_told_to() -> None:
    counted = {"method": "fusion", "decision": "several", "reason": "grounding_unavailable"}
    async with panel(NoAids()) as world:
        reply = await world.chat()
        assert (reply.status, reply.headers["x-vsr-looper-fallback"]) == (200, "grounding_unavailable")
        assert world.sample("llm_model_selection_fallback_total", **counted) == 1
    async with panel(NoAids(), on_error="fail") as world:
        reply = await world.chat()
        assert (reply.status, reply.error["code"]) == (503, "looper_failed")
        assert world.calls()["d"] == 0


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("", 5, []),
        ("Yes.", 5, ["Yes."]),
        ("Yes. That is because of the long way round.", 5, ["Yes. That is because of the long way round."]),
        (f"{PARIS} {LYON}", 5, [PARIS, LYON]),
        (f"{PARIS} {LYON} {PARIS}", 2, [f"{PARIS} {LYON}", PARIS]),
        ("堪培拉是澳大利亚的首都，这个城市建于一九一三年，作为两个城市之间的折中。" * 2, 5, None),
    ],
)
def test_an_answer_is_read_by_sentences_short_ones_with_the_next(
    text: str, most: int, parts: list[str] | None
) -> None:
    assert parts_of(text, most) == ([text[: len(text) // 2]] * 2 if parts is None else parts)


def test_however_long_an_answer_is_its_parts_are_few() -> None:
    assert len(parts_of("A sentence of some thirty letters. " * 5_000, 24)) == 24


def test_support_is_the_mean_of_the_nearest() -> None:
    east, north = np.eye(2, dtype=np.float32)
    assert support(np.array([east, north]), np.array([east])) == 0.5
    assert support(np.array([-east]), np.array([east])) == 0.0
    assert support(np.zeros((0, 2), np.float32), np.array([east])) == 0.0
