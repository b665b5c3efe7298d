"""Pictures: one for each thing there are results for, and one clear error without matplotlib."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.evaluation.development_files import write_files
from vsr.errors import EvaluationError
from vsr.evaluation import plots
from vsr.evaluation.inputs import read_inputs
from vsr.evaluation.plots import draw, draw_red_team, require_matplotlib
from vsr.evaluation.report import evaluate
from vsr.evaluation.results import Labelled, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EvaluationError, match=r"pip install 'vsr-router\[evaluate\]'"):
        require_matplotlib()


@pytest.mark.filterwarnings("ignore")
def test_what_was_measured_is_drawn_in_small_files(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report, results = evaluate(tiny, read_inputs(write_files(tmp_path)))
    drawn = draw(results, report, tmp_path / "images")
    assert {path.stem for path in drawn} == {"roc"}
    assert all(1_000 < path.stat().st_size < 150_000 for path in drawn)


def said(truth: str, count: int) -> list[Labelled]:
    return [Labelled(truth, "math", {"math": 0.9, "other": 0.1})] * count


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Results], dict[str, Figure]]:
    """Draws, and gives the figures themselves, by the name of their file."""
    pytest.importorskip("matplotlib")
    figures: dict[str, Figure] = {}

    def keep(figure: Figure, path: Path) -> Path:
        figures[path.stem] = figure
        return path

    monkeypatch.setattr(plots, "_saved", keep)

    def drawn(results: Results) -> dict[str, Figure]:
        draw(results, {}, tmp_path)
        return figures

    return drawn


@pytest.mark.filterwarnings("ignore")
def test_every_source_of_several_classes_with_rows_enough_has_a_matrix_of_its_own(
    shown: Callable[[Results], dict[str, Figure]],
) -> None:
    domain = {
        "my tickets/2026": [*said("math", 20), *said("other", 10)],
        "MMLU-Pro-indist10pct": [*said("math", 20), *said("other", 20)],
        "few": [*said("math", 20), *said("other", 9)],
        "one class": said("math", 90),
    }
    figures = shown(Results(labelled={"domain": domain}))
    assert figures.keys() == {"confusion-my-tickets-2026", "confusion-mmlu-pro-indist10pct", "reliability"}
    title = figures["confusion-my-tickets-2026"].axes[0].get_title()
    assert title == "Domain, my tickets/2026: 0.667 of 30 texts right"


@pytest.mark.filterwarnings("ignore")
def test_sources_of_one_class_that_share_a_name_have_one_matrix_without_a_pooled_accuracy(
    shown: Callable[[Results], dict[str, Figure]],
) -> None:
    domain = {"exams/a": said("math", 20), "exams/b": said("other", 20), "examples/c": said("other", 20)}
    figures = shown(Results(labelled={"domain": domain}))
    assert figures.keys() == {"confusion-exams", "reliability"}
    title = figures["confusion-exams"].axes[0].get_title()
    assert title == "Domain, exams/*: 2 sources of one class each, 40 texts"


@pytest.mark.filterwarnings("ignore")
def test_the_eight_largest_sources_of_a_head_have_curves_of_reliability_whatever_their_names(
    shown: Callable[[Results], dict[str, Figure]],
) -> None:
    domain = {f"source {i}": [*said("math", 30 + i), *said("other", 5)] for i in range(10)}
    feedback = {"x": said("math", 30), "y": said("math", 40)}
    figure = shown(Results(labelled={"domain": domain, "feedback": feedback}))["reliability"]
    legends = [axes.get_legend() for axes in figure.axes]
    names = [{text.get_text() for text in legend.get_texts()} for legend in legends if legend]
    assert names == [{f"source {i} ({35 + i})" for i in range(2, 10)}, {"x (30)", "y (40)"}]


@pytest.mark.filterwarnings("ignore")
def test_the_red_team_has_a_bar_for_each_language(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = {
        "plain": {"recall": {"en": SHARE, "zh": SHARE}, "lost": SHARE, "false_positives": SHARE},
        "translated": {"recall": {"other": SHARE}, "lost": None, "false_positives": None},
    }
    path = draw_red_team({"transformations": rows}, tmp_path)
    assert 1_000 < path.stat().st_size < 150_000
