"""Pictures: one for each thing there are results for, and one clear error without matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.evaluation.development_files import write_files
from vsr.errors import EvaluationError
from vsr.evaluation.inputs import read_inputs
from vsr.evaluation.plots import draw, draw_red_team, require_matplotlib
from vsr.evaluation.report import evaluate

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
    assert {path.stem for path in drawn} == {"confusion-natural", "reliability", "roc"}
    assert all(1_000 < path.stat().st_size < 150_000 for path in drawn)


@pytest.mark.filterwarnings("ignore")
def test_the_red_team_has_a_bar_for_each_language(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = {
        "plain": {"recall": {"en": SHARE, "zh": SHARE}, "lost": SHARE, "false_positives": SHARE},
        "translated": {"recall": {"other": SHARE}, "lost": None, "false_positives": None},
    }
    path = draw_red_team({"transformations": rows}, tmp_path)
    assert 1_000 < path.stat().st_size < 150_000
