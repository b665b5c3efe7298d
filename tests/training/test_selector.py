"""Fitting selectors on a small made-up world, where the first direction is easy and the second hard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="selectors are fitted with the train extra")

from vsr.errors import SelectorError
from vsr.selection.learned.artifact import FORMAT, Artifact, Kind, Manifest, load_artifact, save_artifact
from vsr.selection.learned.predict import difficulty, qualities
from vsr.training.question_features import Features
from vsr.training.selector import Trained, predict, train
from vsr.training.selector_fits import candidates

MODELS = ("verse", "code")
COUNT = 200
RANDOM = np.random.default_rng(0)
SIDE = RANDOM.integers(0, 2, COUNT)
TABLE = np.hstack(
    [np.eye(2)[SIDE] + RANDOM.normal(0, 0.1, (COUNT, 2)), RANDOM.normal(0, 1, (COUNT, 1))]
).astype(np.float32)
GROUPS = np.arange(COUNT) % 10
WORLD = Features(TABLE, np.ones(COUNT, np.int64), 2, (), "bundle")


def fitted(kind: Kind, path: Path, outcomes: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Artifact:
    trained = train(kind, WORLD, outcomes, MODELS, GROUPS, {"rows": COUNT})
    save_artifact(path, trained.manifest, trained.arrays)
    return load_artifact(path)


@pytest.mark.parametrize("kind", ["knn", "kmeans", "svm", "mlp"])
def test_each_kind_learns_which_model_is_right_where(kind: Kind, tmp_path: Path) -> None:
    outcomes = np.eye(2, dtype=np.float32)[SIDE]
    outcomes[:5, 0] = np.nan  # a model need not have answered everything
    artifact = fitted(kind, tmp_path, outcomes)
    first = qualities(artifact, np.array([1, 0, 0], np.float32))
    second = qualities(artifact, np.array([0, 1, 0], np.float32))
    assert first[0] > first[1]
    assert second[1] > second[0]
    held_out = artifact.manifest.report["held_out_subjects"]
    assert isinstance(held_out, dict)
    assert held_out["chosen"] > held_out["best_single"]
    assert artifact.manifest.models == MODELS


@pytest.mark.parametrize("kind", ["knn", "kmeans", "svm", "mlp"])
def test_a_model_that_answered_none_of_the_rows_is_as_good_as_not(kind: Kind) -> None:
    outcomes = np.eye(2, dtype=np.float32)[SIDE]
    outcomes[:, 0] = np.nan
    fit = next(iter(candidates(kind, COUNT).values()))
    arrays, settings = fit(TABLE, outcomes, 2)
    trained = Trained(Manifest(FORMAT, kind, "bundle", 2, (), MODELS, settings, "", {}), arrays)
    assert predict(trained, TABLE)[:, 0].mean() == pytest.approx(0.5, abs=0.05)


def test_there_are_no_more_clusters_than_rows_to_find_them_in() -> None:
    few = np.arange(COUNT) < 30
    outcomes = np.eye(2, dtype=np.float32)[SIDE][few]
    report = train("kmeans", WORLD[few], outcomes, MODELS, GROUPS[few], {}).manifest.report
    assert isinstance(report["squared_error"], dict)
    assert list(report["squared_error"]) == ["clusters=8", "clusters=16"]


def test_difficulty_is_where_models_fail(tmp_path: Path) -> None:
    outcomes = np.repeat((SIDE == 0)[:, None], 2, axis=1).astype(np.float32)
    artifact = fitted("difficulty", tmp_path, outcomes)
    easy = difficulty(artifact, np.array([1, 0, 0], np.float32))
    hard = difficulty(artifact, np.array([0, 1, 0], np.float32))
    assert easy < 0.5 < hard
    assert artifact.manifest.models == ()


def test_training_is_repeatable(tmp_path: Path) -> None:
    outcomes = np.eye(2, dtype=np.float32)[SIDE]
    first, second = (fitted("svm", tmp_path / name, outcomes) for name in ("one", "two"))
    assert first.manifest == second.manifest


def test_too_few_subjects_cannot_be_split() -> None:
    with pytest.raises(SelectorError, match="at least 5"):
        train("knn", WORLD, np.eye(2, dtype=np.float32)[SIDE], MODELS, GROUPS % 3, {})
