from __future__ import annotations

import numpy as np
import pytest

from tests.encoder.tiny_bundle import DIMENSION, FACT_CHECK, FEEDBACK, TAGS, TYPES, outputs
from vsr.encoder.backend import HeadOutputs
from vsr.encoder.bundle import Bundle
from vsr.encoder.heads import HeadReader


def told(pii: dict[int, dict[str, float]], tokens: int = 4) -> HeadOutputs:
    """Logits that are the logarithms of the given probabilities, the rest being O."""
    probabilities = np.full((1, tokens, len(TAGS)), 1e-9, dtype=np.float32)
    for place in range(tokens):
        row = pii.get(place, {})
        probabilities[0, place, 0] = 1 - sum(row.values())
        for tag, probability in row.items():
            probabilities[0, place, TAGS.index(tag)] = probability
    return outputs(
        domain=np.array([[1.0, 2.0]], dtype=np.float32),
        jailbreak=np.log(np.array([[0.2, 0.8]], dtype=np.float32)),
        pii=np.log(probabilities),
        embedding=np.full((1, DIMENSION), 0.5, dtype=np.float32),
        asks={
            "fact_check": np.zeros((1, len(FACT_CHECK)), dtype=np.float32),
            "feedback": np.zeros((1, len(FEEDBACK)), dtype=np.float32),
        },
    )


def test_a_type_counts_with_both_its_tags(bundle: Bundle) -> None:
    given = told({1: {"B-PERSON": 0.3, "I-PERSON": 0.35}})
    (reading,) = HeadReader(bundle.manifest.heads).read(given, [2])
    assert TYPES[reading.pii.types[0]] == "PERSON"
    assert float(reading.pii.probabilities[0]) == pytest.approx(0.65, abs=1e-3)
    assert not reading.pii.begins[0]


def test_special_tokens_and_padding_are_left_out(bundle: Bundle) -> None:
    given = told({place: {"B-PERSON": 0.9} for place in (0, 3)})
    (reading,) = HeadReader(bundle.manifest.heads).read(given, [2])
    assert len(reading.pii) == 2
    assert float(reading.pii.probabilities.max()) < 0.01


def test_the_risk_is_softened_by_the_temperature(bundle: Bundle) -> None:
    (reading,) = HeadReader(bundle.manifest.heads).read(told({}), [2])
    assert reading.risk == pytest.approx(2 / 3, abs=1e-4)  # odds 4, temperature 2


@pytest.mark.parametrize("head", ["domain", "jailbreak", "probabilities", "embedding", "feedback"])
def test_numbers_that_are_none_are_no_reading(bundle: Bundle, head: str) -> None:
    given = told({})
    values = given.asks[head] if head in given.asks else getattr(given, head)
    values[0, 0] = np.nan
    with pytest.raises(FloatingPointError):
        HeadReader(bundle.manifest.heads).read(given, [2])


def test_a_reading_does_not_keep_its_batch_alive(bundle: Bundle) -> None:
    given = told({})
    (reading,) = HeadReader(bundle.manifest.heads).read(given, [2])
    given.domain[:] = 0
    assert reading.domain.tolist() == [1.0, 2.0]
    assert reading.domain.base is None
    assert reading.pii.types.base is None
    assert reading.embedding.base is None
