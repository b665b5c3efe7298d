"""Accuracy against cost: the measures that selectors are reported by, on cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vsr.errors import SelectorError
from vsr.selection.learned.artifact import FORMAT, Artifact, Manifest
from vsr.training.outcomes import Row, groups, model_names, outcome_table, read_outcomes
from vsr.training.question_features import Features
from vsr.training.selector_measure import accuracy_curve, by_category, make_pair, oracle, summarise
from vsr.training.selector_report import measure
from vsr.training.selector_table import markdown, tables

ROWS = [
    Row("easy 1", {"strong": 1, "weak": 1}, "a", source="x"),
    Row("easy 2", {"strong": 1, "weak": 1}, "a", source="x"),
    Row("hard 1", {"strong": 1, "weak": 0}, "b", source="y"),
    Row("hard 2", {"strong": 1, "weak": 0}, "b", source="y"),
]
NAMES = model_names(ROWS)
PAIR, KNOWN = make_pair(outcome_table(ROWS, NAMES), NAMES, [row.category for row in ROWS])


def test_the_pair_is_the_best_and_the_worst_model() -> None:
    assert (PAIR.strong_name, PAIR.weak_name) == ("strong", "weak")
    assert KNOWN.all()


def test_models_that_are_equally_good_or_answered_no_row_both_are_no_pair() -> None:
    table = np.array([[1, 0], [0, 1]], np.float32)
    with pytest.raises(SelectorError, match="equally often"):
        make_pair(table, ("a", "b"), ("", ""))
    apart = np.array([[1, np.nan], [np.nan, 0]], np.float32)
    with pytest.raises(SelectorError, match="a and b, the best and the worst model, have no row in common"):
        make_pair(apart, ("a", "b"), ("", ""))


def test_a_perfect_ranking_recovers_the_gap_with_the_hard_half() -> None:
    scores = np.array([0.0, 0.1, 0.8, 0.9])
    assert accuracy_curve(scores, PAIR).tolist() == [0.5, 0.75, 1.0, 1.0, 1.0]
    found = summarise("selector", scores, PAIR)
    assert (found.share_for_half, found.share_for_four_fifths) == (0.25, 0.5)
    assert found.half_interval[0] <= found.share_for_half


def test_ties_are_shared_so_that_the_order_of_rows_does_not_matter() -> None:
    assert accuracy_curve(np.zeros(4), PAIR).tolist() == [0.5, 0.625, 0.75, 0.875, 1.0]
    assert summarise("none", np.zeros(4), PAIR).share_for_half == 0.5


def test_a_reversed_ranking_pays_for_the_easy_half_first() -> None:
    found = summarise("reversed", np.array([0.9, 0.8, 0.1, 0.0]), PAIR)
    assert (found.share_for_half, found.share_for_four_fifths) == (0.75, 1.0)
    assert found.area < 0.5


def test_baselines_know_what_they_say_they_know() -> None:
    assert by_category(PAIR).tolist() == [0, 0, 1, 1]
    assert oracle(PAIR).tolist() == [0, 0, 1, 1]


def features(rows: np.ndarray[tuple[int, int], np.dtype[np.float32]], bundle: str = "b") -> Features:
    return Features(rows, np.ones(len(rows), np.int64), 2, (), bundle)


HARD_LAST = np.array([[0, 0.1], [0, 0.2], [0, 0.8], [0, 0.9]], np.float32)


def hardness_artifact(path: str = "one", sign: int = 1) -> Artifact:
    manifest = Manifest(FORMAT, "difficulty", "b", 2, (), (), {}, "", {"models": ["weak"]})
    arrays = {
        "mean": np.zeros(2, np.float32),
        "scale": np.ones(2, np.float32),
        "weights": np.array([0, sign], np.float32),
        "quantiles": np.linspace(-1, 1, 41, dtype=np.float32),
    }
    return Artifact(Path(path), manifest, arrays)


def test_a_report_goes_source_by_source_and_says_which_models_were_seen() -> None:
    report = measure([hardness_artifact()], ROWS, features(HARD_LAST), {"strong": 10.0, "weak": 1.0})
    assert [part.source for part in report.parts] == ["x", "y", "all"]
    assert report.seen_models == ("weak",)
    whole = report.parts[-1]
    assert (whole.strong_accuracy, whole.weak_accuracy, whole.oracle_accuracy) == (1.0, 0.5, 1.0)
    shares = {one.name: (one.share_for_half, one.share_for_four_fifths) for one in whole.rankings}
    assert shares["difficulty"] == (0.25, 0.5)
    assert shares["random mixing"] == (0.5, 1.0)  # of four rows: the first share from .8 on
    assert list(whole.costs["difficulty"]) == pytest.approx([1 + 0.25 * 9, 1 + 0.5 * 9])
    assert whole.curves["difficulty"][0] == (0.0, 0.5)


def test_selectors_of_one_kind_are_told_apart_by_their_directories() -> None:
    pair = [hardness_artifact("right"), hardness_artifact("wrong", -1)]
    report = measure(pair, ROWS, features(HARD_LAST), {})
    assert report.selectors == ("right", "wrong")
    right, wrong = report.parts[-1].rankings[:2]
    assert right.share_for_half < wrong.share_for_half


def test_tables_show_prices_only_where_there_are_any() -> None:
    priced = tables(measure([hardness_artifact()], ROWS, features(HARD_LAST), {"strong": 10, "weak": 1}))
    plain = tables(measure([hardness_artifact()], ROWS, features(HARD_LAST), {}))
    assert list(priced[-1].rows[0][-2:]) == ["3.25", "5.5"]
    for table in (*priced, *plain):
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert len(priced[0].header) == len(plain[0].header) + 2


def test_a_report_as_markdown_has_a_table_for_each_source() -> None:
    page = markdown(measure([hardness_artifact()], ROWS, features(HARD_LAST), {}))
    assert page.count("| ranking |") == 3
    assert "**all: 4 rows, strong 1.000, weak 0.500, oracle 1.000**" in page


def test_a_selector_of_another_bundle_is_not_measured() -> None:
    with pytest.raises(SelectorError, match="selector one was trained on bundle b"):
        measure([hardness_artifact()], ROWS, features(np.zeros((4, 2), np.float32), "c"), {})


# ---------------------------------------------------------------- rows


def test_rows_are_read_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    good = {"prompt": "p", "correct": {"a": 1, "b": 0.5}, "subject": "s", "id": 7}
    file.write_text(json.dumps(good) + "\n")
    assert read_outcomes(file) == [Row("p", {"a": 1.0, "b": 0.5}, subject="s")]
    for wrong in ("x", "[]", '{"prompt": "p"}', '{"prompt": " ", "correct": {"a": 1}}'):
        file.write_text(json.dumps(good) + "\n" + wrong + "\n")
        with pytest.raises(SelectorError, match=r"rows.jsonl:2: "):
            read_outcomes(file)
    file.write_text(json.dumps(good | {"correct": {"a": 2}}))
    with pytest.raises(SelectorError, match="between 0 and 1"):
        read_outcomes(file)


def test_null_is_no_subject_and_a_blank_line_no_row_but_other_encodings_are_told(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    nothing = {"subject": None, "category": None, "source": None}
    file.write_text(json.dumps({"prompt": "p", "correct": {"a": 1}, **nothing}) + "\n\n")
    assert read_outcomes(file) == [Row("p", {"a": 1.0})]
    file.write_bytes('{"prompt": "积分", "correct": {"a": 1}}'.encode("gbk"))
    with pytest.raises(SelectorError, match=r"rows\.jsonl: is not UTF-8"):
        read_outcomes(file)
    file.write_text(json.dumps({"prompt": None, "correct": {"a": 1}}))
    with pytest.raises(SelectorError, match="needs a prompt"):
        read_outcomes(file)


def test_rows_of_a_subject_and_copies_of_a_question_are_one_group() -> None:
    rows = [Row("p", {}, subject="s"), Row("q", {}, subject="s"), Row("R!", {}), Row("r", {})]
    first, second, third, fourth = groups(rows).tolist()
    assert first == second != third == fourth


def test_unknown_outcomes_are_not_numbers() -> None:
    rows = [Row("p", {"a": 1}), Row("q", {"b": 0, "c": 1})]
    names = model_names(rows, excluded=["c"])
    assert names == ("a", "b")
    table = outcome_table(rows, names)
    assert table[0, 0] == 1
    assert np.isnan(table[0, 1])
    assert table[1, 1] == 0
