"""Measures agree with their definitions on cases that can be checked by hand."""

from __future__ import annotations

import math

import pytest

from vsr.evaluation.metrics import (
    Share,
    SpanCount,
    auc,
    bootstrapped,
    expected_calibration_error,
    macro_f1,
    threshold_at,
)


def test_auc_counts_pairs_in_order_and_ties_as_half() -> None:
    assert auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert auc([0.5, 0.5], [True, False]) == 0.5


def test_macro_f1_is_the_mean_over_labels() -> None:
    assert macro_f1(["a", "a", "b"], ["a", "b", "b"]) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_an_interval_holds_its_value_and_narrows_with_more_rows() -> None:
    few, many = Share(9, 10), Share(900, 1000)
    assert few.interval[0] < 0.9 < few.interval[1]
    assert many.interval[1] - many.interval[0] < few.interval[1] - few.interval[0]


def test_a_span_that_touches_an_ignored_one_is_neither_right_nor_wrong() -> None:
    count = SpanCount()
    count.add([(0, 3, "AGE")], [(0, 3, "AGE"), (5, 9, "AGE"), (20, 22, "AGE")], [(6, 7, "X")])
    assert (count.right, count.wrong, count.missed) == (1, 1, 0)


def test_where_there_are_no_spans_there_is_no_figure_of_them() -> None:
    nothing = {"precision": None, "recall": None, "f1": None, "spans": 0}
    assert SpanCount().as_dict() == nothing
    assert SpanCount(wrong=1).as_dict() == {**nothing, "precision": 0.0, "f1": 0.0}
    assert all(map(math.isnan, bootstrapped(3, lambda _: math.nan)))


def test_at_most_the_asked_share_of_negatives_reaches_the_threshold() -> None:
    scores = [number / 200 for number in range(200)]
    threshold = threshold_at(scores, 0.01)
    assert sum(score >= threshold for score in scores) == 2


def test_a_threshold_is_not_reached_by_tied_scores_beyond_the_share() -> None:
    assert sum(score >= threshold_at([0.9] * 100, 0.01) for score in [0.9] * 100) == 0


def test_without_negatives_no_score_reaches_the_threshold() -> None:
    assert threshold_at([], 0.01) > 1.0


def test_of_weighted_negatives_at_most_the_asked_share_of_the_weight_reaches_the_threshold() -> None:
    scores, weights = [0.9] * 90 + [0.5] * 10, [90**-0.5] * 90 + [10**-0.5] * 10
    assert threshold_at(scores, 0.8) > 0.9
    assert 0.5 < threshold_at(scores, 0.8, weights) < 0.9


def test_perfect_confidence_has_no_calibration_error() -> None:
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0.0
    assert expected_calibration_error([1.0, 1.0], [True, False]) == pytest.approx(0.5)
