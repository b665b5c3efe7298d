"""Partitions, scores and mappings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.config.policy import Band, Bands, Input, Partition, Projections, Score
from vsr.config.predicate import Predicate
from vsr.decisions.projections import Interval, Signals, project
from vsr.facts import Signal


def held(*signals: Signal) -> Signals:
    return {signal.key: signal for signal in signals}


MATH, LAW = Signal("domain", "math", True, 0.8), Signal("domain", "law", True, 0.6)
OTHER = Signal("domain", "other", False, 0.1)
FIELDS = ("math", "law", "other")


def parted(partition: Partition, signals: Signals) -> dict[str, float]:
    """The matched members with their confidences."""
    seen = project(Projections(partitions=(partition,)), signals).signals
    return {signal.name: signal.confidence for signal in seen.values() if signal.matched}


def test_of_several_members_that_match_the_surest_is_left() -> None:
    assert parted(Partition("field", "domain", FIELDS), held(LAW, MATH, OTHER)) == {"math": 0.8}


def test_softmax_makes_the_winners_confidence_its_share() -> None:
    partition = Partition("field", "domain", FIELDS, temperature=0.1)
    share = 1 / (1 + math.exp(-2))
    assert parted(partition, held(LAW, MATH, OTHER)) == {"math": pytest.approx(share)}


def test_a_single_match_keeps_its_confidence() -> None:
    partition = Partition("field", "domain", FIELDS, temperature=0.1)
    assert parted(partition, held(MATH, OTHER)) == {"math": 0.8}


def test_the_default_matches_where_no_member_did() -> None:
    partition = Partition("field", "domain", FIELDS, default="other")
    assert parted(partition, held(OTHER)) == {"other": 0.1}
    assert parted(Partition("field", "domain", FIELDS), held(OTHER)) == {}


def test_the_default_does_not_stand_in_for_members_that_could_not_be_computed() -> None:
    partition = Partition("field", "domain", FIELDS, default="other")
    assert parted(partition, held(OTHER, Signal("domain", "math", False, error="too slow"))) == {}


def test_signals_outside_the_partition_are_left_alone() -> None:
    keyword = Signal("keyword", "law", True)
    seen = project(Projections((Partition("field", "domain", FIELDS),)), held(MATH, keyword)).signals
    assert seen["keyword", "law"] is keyword


def score(*inputs: Input, signals: Signals) -> Interval:
    return project(Projections(steps=(Score("s", inputs),)), signals).scores["s"]


def test_a_score_is_the_weighted_sum_of_its_inputs() -> None:
    signals = held(MATH, OTHER, Signal("structure", "lines", False, 0.0, value=7.0))
    total = score(
        Input("domain", "math", 0.5),
        Input("domain", "math", 0.5, "confidence"),
        Input("domain", "other", 10.0, "confidence"),
        Input("domain", "other", 1.0, match=5.0, miss=-2.0),
        Input("structure", "lines", 0.1, "raw"),
        signals=signals,
    )
    assert total.low == total.high == pytest.approx(0.5 + 0.4 + 0.0 - 2.0 + 0.7)


def test_an_input_may_ask_for_a_label_and_for_a_labels_value() -> None:
    signals = held(Signal("complexity", "maths", True, 0.4, label="hard", labels={"margin": 0.3}))
    assert score(Input("complexity", "maths", 1.0, label="hard"), signals=signals).low == 1.0
    assert score(Input("complexity", "maths", 1.0, label="easy"), signals=signals).low == 0.0
    assert score(Input("complexity", "maths", 1.0, "metric", label="margin"), signals=signals).low == 0.3


def banded(value: float, *bands: Band, several: bool = False, slope: float = 12.0) -> dict[str, float]:
    steps = (
        Score("s", (Input("structure", "n", 1.0, "raw"),)),
        Bands("m", "s", bands, several, slope),
    )
    seen = project(Projections(steps=steps), held(Signal("structure", "n", True, value=value))).signals
    return {key[1]: one.confidence for key, one in seen.items() if one.matched and key[0] == "projection"}


LOW, MIDDLE = Band("low", Predicate(lt=0.3)), Band("middle", Predicate(gte=0.2, lt=0.6))
HIGH = Band("high", Predicate(gte=0.6))


def test_the_first_band_that_holds_is_taken_and_only_that() -> None:
    assert set(banded(0.25, LOW, MIDDLE, HIGH)) == {"low"}
    assert set(banded(0.3, LOW, MIDDLE, HIGH)) == {"middle"}
    assert set(banded(0.6, LOW, MIDDLE, HIGH)) == {"high"}


def test_several_bands_may_hold_where_the_mapping_says_so() -> None:
    assert set(banded(0.25, LOW, MIDDLE, HIGH, several=True)) == {"low", "middle"}


def test_the_confidence_of_a_band_grows_with_the_distance_to_its_bounds() -> None:
    assert banded(0.3, LOW, MIDDLE, HIGH, slope=10.0)["middle"] == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert banded(0.6, HIGH)["high"] == 0.5


def test_scores_may_be_made_of_scores_and_of_bands() -> None:
    steps = (
        Score("s", (Input("domain", "math", 0.5),)),
        Bands("m", "s", (HIGH, MIDDLE)),
        Score("t", (Input("projection", "s", 2.0, "score"), Input("projection", "middle", 1.0))),
    )
    assert project(Projections(steps=steps), held(MATH)).scores["t"].low == pytest.approx(2.0)


ABSENT = Signal("domain", "law", False, 0.0, error="too slow")


def uncertain(known: float, weight: float) -> dict[str, str]:
    """Per band `matched`, `unavailable` or `no`, if `known` is sure and `weight` may come on top."""
    steps = (
        Score("s", (Input("structure", "n", 1.0, "raw"), Input("domain", "law", weight))),
        Bands("m", "s", (LOW, MIDDLE, HIGH)),
    )
    seen = project(
        Projections(steps=steps), held(Signal("structure", "n", True, value=known), ABSENT)
    ).signals
    told = {True: "matched", False: "no"}
    return {
        key[1]: "unavailable" if one.error else told[one.matched]
        for key, one in seen.items()
        if key[0] == "projection"
    }


def test_what_an_unavailable_input_cannot_change_is_decided() -> None:
    assert uncertain(0.7, 0.2) == {"low": "no", "middle": "no", "high": "matched"}


def test_what_an_unavailable_input_may_change_is_unavailable() -> None:
    assert uncertain(0.5, 0.2) == {"low": "no", "middle": "unavailable", "high": "unavailable"}
    assert uncertain(0.1, 0.9) == {"low": "unavailable", "middle": "unavailable", "high": "unavailable"}


@given(st.lists(st.tuples(st.floats(-2, 2), st.sampled_from(("yes", "no", "broken"))), max_size=5))
def test_an_unavailable_input_changes_nothing_that_is_decided(inputs: list[tuple[float, str]]) -> None:
    """Whatever the broken signals would have said, a band that is decided would have been the same."""
    steps = (
        Score("s", tuple(Input("domain", str(index), weight) for index, (weight, _) in enumerate(inputs))),
        Bands("m", "s", (LOW, MIDDLE, HIGH)),
    )

    def bands(broken: str) -> dict[tuple[str, str], Signal]:
        signals = []
        for index, (_, state) in enumerate(inputs):
            state = broken if state == "broken" else state
            error = "broken" if state == "broken" else ""
            signals.append(Signal("domain", str(index), state == "yes", error=error))
        seen = project(Projections(steps=steps), held(*signals)).signals
        return {key: one for key, one in seen.items() if key[0] == "projection"}

    doubtful = bands("broken")
    for state in ("yes", "no"):
        for key, one in bands(state).items():
            assert doubtful[key].error or doubtful[key].matched == one.matched
