"""Temperatures and thresholds are fitted to what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from vsr.training.calibrate import fit_temperature


def test_overconfident_logits_get_a_temperature_that_makes_them_honest() -> None:
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 2, 4000)
    honest = np.where(chance.random(4000) < 0.75, labels, 1 - labels)
    logits = np.zeros((4000, 2), np.float32)
    logits[np.arange(4000), honest] = 3 * np.log(3)  # claims .96 where .75 is right
    assert fit_temperature(logits, labels.tolist()) == pytest.approx(3.0, rel=0.1)
