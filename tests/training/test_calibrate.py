"""Temperatures and thresholds are fitted to what they claim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vsr.facts import Role
from vsr.training.calibrate import Reader, fit_temperature, operating_points
from vsr.training.rows import Row


def test_overconfident_logits_get_a_temperature_that_makes_them_honest() -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 4000)
    honest = np.where(chance.random(4000) < 0.75, labels, 1 - labels)
    logits = np.zeros((4000, 2), np.float32)
    logits[np.arange(4000), honest] = 3 * np.log(3)  # claims .96 where .75 is right
    assert fit_temperature(logits, labels.tolist()) == pytest.approx(3.0, rel=0.1)


def _benign(risk: float, number: int, source: str, kind: str = "benign") -> Row:
    text = f"{risk} {number} {'filler ' * 60}"
    return Row(text, source, "MIT", text, "en", f"benign/{kind}/{source}", jailbreak="benign")


class WrittenRisks(Reader):
    """A guard that reads the risk of a text from its first word, and doubts longer ones more."""

    def __init__(self) -> None:
        pass

    def risks(self, texts: Sequence[str], what: str, role: Role = "user") -> list[float]:
        return [float(text.split()[0]) + (len(text) > 500) * len(text) / 1e7 for text in texts]


def test_one_large_source_of_hard_texts_does_not_set_the_threshold_alone() -> None:
    ordinary = [_benign(0.1, number, "people") for number in range(200)]
    system = [_benign(0.0, number, "prompts", "benign_system_prompt") for number in range(20)]
    quoting = [_benign(0.9 if n < 8 else 0.0, n, "owasp", "benign_security") for n in range(80)]
    others = [_benign(0.0, n, f"source {n}", "benign_trigger") for n in range(20)]
    # 8 of 100 texts, but a thirtieth of the weight
    points = operating_points(WrittenRisks(), [*ordinary, *system, *quoting, *others], [])
    assert 0.1 < points[0].threshold < 0.2


def test_without_hard_texts_and_system_prompts_the_ordinary_texts_decide() -> None:
    ordinary = [_benign(0.1, number, "people") for number in range(200)]
    points = operating_points(WrittenRisks(), ordinary, [])
    assert {point.role for point in points} == {"any", "system"}
    assert all(0.1 < point.threshold < 0.2 for point in points)


def test_the_threshold_grows_with_the_windows_of_a_request() -> None:
    ordinary = [_benign(0.1, number, "people") for number in range(200)]
    system = [_benign(0.0, number, "prompts", "benign_system_prompt") for number in range(20)]
    hard = [_benign(0.0, number, "hard", "benign_trigger") for number in range(20)]
    points = [
        point
        for point in operating_points(WrittenRisks(), [*ordinary, *system, *hard], [])
        if point.role == "any"
    ]
    assert [point.max_windows for point in points] == [1, 2, 4, 8, 16, 64, 128, None]
    thresholds = [point.threshold for point in points]
    assert thresholds == sorted(set(thresholds))


def test_a_long_text_holds_no_prompt_twice_and_goes_on_with_another_source() -> None:
    rows = [_benign(0.1, number, "even" if number % 2 == 0 else "odd") for number in range(50)]
    read: dict[str, list[str]] = {}

    class Listening(WrittenRisks):
        def risks(self, texts: Sequence[str], what: str, role: Role = "user") -> list[float]:
            read[what] = list(texts)
            return super().risks(texts, what, role)

    operating_points(Listening(), rows, [])
    prompts = {row.text for row in rows}
    for text in read["64 windows"]:  # more than both sources hold
        assert sorted(text.split("\n\n")) == sorted(prompts)
