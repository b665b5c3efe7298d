from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.encoder.tiny_bundle import TOKENS, MarkBackend, passage, token
from vsr.encoder.backend import HeadOutputs, Ids
from vsr.encoder.bundle import Bundle
from vsr.encoder.closeups import LEAST, MOST_WINDOWS, risk_of
from vsr.encoder.encoder import Encoder
from vsr.encoder.manifest import CloseUps
from vsr.facts import Readings

RULE = CloseUps(tokens=4, stride=2, risk=0.3)
FILLER = "word "
HIDDEN = FILLER * 30 + "attack bypass " + FILLER * 30


class DilutingBackend(MarkBackend):
    """The smaller the part of `attack` and `bypass` in a window, the surer it is that nothing is wrong."""

    def infer(self, ids: Ids, mask: Ids, lane: int = 0) -> HeadOutputs:
        answer = super().infer(ids, mask, lane)
        marks = ((ids == token("attack")) | (ids == token("bypass"))).sum(axis=1)
        logits = np.where(marks == 0, -10.0, 10.0 * marks / mask.sum(axis=1) - 2.0)
        return replace(answer, jailbreak=np.stack([np.zeros(len(ids)), logits], axis=1).astype(np.float32))


def with_rule(bundle: Bundle, rule: CloseUps | None) -> Bundle:
    heads = bundle.manifest.heads
    guarded = replace(heads, jailbreak=replace(heads.jailbreak, close_ups=rule))
    return replace(bundle, manifest=replace(bundle.manifest, heads=guarded))


@pytest.fixture
def backend() -> DilutingBackend:
    return DilutingBackend()


@pytest.fixture
async def near(bundle: Bundle, backend: DilutingBackend) -> AsyncIterator[Encoder]:
    encoder = Encoder(with_rule(bundle, RULE), backend)
    yield encoder
    await encoder.aclose()


async def plainly(bundle: Bundle, text: str) -> Readings:
    encoder = Encoder(with_rule(bundle, None), DilutingBackend())
    try:
        return await encoder.read([passage(text)], [0])
    finally:
        await encoder.aclose()


def highest(readings: Readings) -> float:
    return max(risk.risk for risk in readings.jailbreak)


async def test_an_attack_in_a_long_text_stands_out_from_close_by(near: Encoder, bundle: Bundle) -> None:
    plain = await plainly(bundle, HIDDEN)
    close = await near.read([passage(HIDDEN)], [0])
    assert highest(plain) < 0.5 < highest(close)
    assert len(close.jailbreak) == len(plain.jailbreak)
    assert close.coverage == plain.coverage


async def test_a_text_of_one_window_is_read_once(near: Encoder, bundle: Bundle) -> None:
    text = FILLER * (TOKENS - 2) + "attack bypass"
    assert highest(await near.read([passage(text)], [0])) == highest(await plainly(bundle, text))
    assert near.stats.windows == 1


async def test_what_no_window_suspects_is_read_once(near: Encoder, backend: DilutingBackend) -> None:
    readings = await near.read([passage(FILLER * 5 * TOKENS)], [0])
    assert near.stats.windows == len(readings.jailbreak)
    assert max(max(lengths) for lengths in backend.lengths) == TOKENS + 2


async def test_a_window_no_longer_than_a_piece_is_not_read_again(near: Encoder) -> None:
    readings = await near.read([passage("attack bypass"), passage(FILLER * 3 * TOKENS)], [0])
    bridges = sum(window.bridging for window in readings.jailbreak)
    pieces_of_a_bridge = 1 + -(-(2 + TOKENS // 2 - RULE.tokens) // RULE.stride)
    assert near.stats.windows == len(readings.jailbreak) + bridges * pieces_of_a_bridge


async def test_a_text_full_of_attacks_costs_no_more_than_its_riskiest_windows(near: Encoder) -> None:
    text = " ".join(f"{FILLER * (5 + number % 7)}attack bypass" for number in range(40 * MOST_WINDOWS))
    readings = await near.read([passage(text)], [0])
    pieces = near.stats.windows - len(readings.jailbreak)
    assert 0 < pieces <= MOST_WINDOWS * (1 + -(-(TOKENS - RULE.tokens) // RULE.stride))


async def test_a_suspicious_system_prompt_does_not_keep_the_user_from_a_close_look(
    near: Encoder, bundle: Bundle
) -> None:
    operator = passage((FILLER * 8 + "attack bypass attack ") * 6, "system")
    readings = await near.read([operator, passage(HIDDEN)], [1])
    of_user = max(window.risk for window in readings.jailbreak if window.passage == 1)
    assert of_user == pytest.approx(highest(await near.read([passage(HIDDEN)], [0])))
    assert of_user > highest(await plainly(bundle, HIDDEN))


async def test_the_pieces_are_remembered_like_windows(near: Encoder, backend: DilutingBackend) -> None:
    first = await near.read([passage(HIDDEN)], [0])
    calls = len(backend.calls)
    again = await near.read([passage(HIDDEN)], [0])
    assert len(backend.calls) == calls
    assert again.jailbreak == first.jailbreak


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_close_look_raises_a_risk_or_leaves_it(own: float, pieces: float) -> None:
    assert own <= risk_of(own, pieces) <= max(own, pieces, LEAST) + 1e-9


def test_the_risk_lies_amid_both_looks_in_log_odds() -> None:
    assert risk_of(0.5, 0.9) == pytest.approx(0.75)
    assert risk_of(0.8, 0.8) == pytest.approx(0.8)
