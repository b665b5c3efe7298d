"""Trained selectors: their files, what they predict, how they choose, when they are refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.scripted import ScriptedEncoder
from tests.selection.pool import asking, decision, model, policy, pool
from vsr.config.policy import Choosing, Difficulty, Learned, RouterDC
from vsr.encoder.encoder import Encoder
from vsr.errors import SelectorError
from vsr.facts import Readings
from vsr.selection.choice import Unselectable
from vsr.selection.knowledge import learn_about
from vsr.selection.learned.artifact import (
    ARRAYS,
    FORMAT,
    MANIFEST,
    Kind,
    Manifest,
    load_artifact,
    save_artifact,
)
from vsr.selection.learned.choose import by_difficulty, learned
from vsr.selection.learned.predict import difficulty, feature_row, qualities, qualities_of_many
from vsr.selection.state import NOTHING_KNOWN, Knowledge, State
from vsr.selection.surface import NAMES, READ, features

SMALL, LARGE = model("small", 0.6, 1.0), model("large", 0.9, 10.0)
EYE = np.eye(2, dtype=np.float32)
PLAIN = {"mean": np.zeros(2), "scale": np.ones(2)}
ARRAYS_OF: dict[Kind, dict[str, Any]] = {
    # small is right in the first direction, large in the second
    "knn": {"points": EYE, "outcomes": np.array([[1, 0], [0, 1]])},
    "kmeans": {"centres": EYE, "quality": np.array([[0.9, 0.1], [0.1, 0.9]])},
    "svm": PLAIN | {"weights": EYE, "bias": np.zeros(2), "slope": np.ones(2), "offset": np.zeros(2)},
    "mlp": PLAIN | {"weights_0": EYE, "bias_0": np.zeros(2), "weights_1": 4 * EYE, "bias_1": np.full(2, -2)},
    # the second direction is hard
    "difficulty": PLAIN | {"weights": np.array([0, 1]), "quantiles": np.linspace(0, 1, 101)},
}
EASY, HARD = asking(1.0, 0.0), asking(0.0, 1.0)


def made(path: Path, kind: Kind, bundle: str = "scripted") -> Path:
    models = () if kind == "difficulty" else ("small", "large")
    settings = {"k": 1.0} if kind == "knn" else {}
    manifest = Manifest(FORMAT, kind, bundle, 2, (), models, settings, "", {"rows": 2})
    save_artifact(path, manifest, ARRAYS_OF[kind])
    return path


def state(path: Path) -> State:
    return State(knowledge=Knowledge({str(path): load_artifact(path)}))


@pytest.mark.parametrize("kind", ["knn", "kmeans", "svm", "mlp"])
def test_each_kind_prefers_the_model_that_was_right(kind: Kind, tmp_path: Path) -> None:
    settings = Learned(kind, str(made(tmp_path, kind)))  # type: ignore[arg-type] # not difficulty
    first, second = learned(settings, pool(SMALL, LARGE), EASY, state(tmp_path))
    assert first > second
    first, second = learned(settings, pool(SMALL, LARGE), HARD, state(tmp_path))
    assert second > first
    assert all(0 <= score <= 1 for score in (first, second))


def test_prices_can_count_against_the_better_model(tmp_path: Path) -> None:
    settings = Learned("kmeans", str(made(tmp_path, "kmeans")), cost_weight=1.0)
    first, second = learned(settings, pool(SMALL, LARGE), HARD, state(tmp_path))
    assert first > second


def test_more_neighbours_are_averaged_and_unknown_outcomes_are_not_counted(tmp_path: Path) -> None:
    artifact = load_artifact(made(tmp_path, "knn"))
    assert qualities(artifact, np.array([1, 0], np.float32), 2).tolist() == [0.5, 0.5]
    unknown = np.array([[np.nan, np.nan], [np.nan, 1]], np.float32)
    partly = replace(artifact, arrays={"points": EYE, "outcomes": unknown})
    assert qualities(partly, np.array([1, 0], np.float32), 2).tolist() == [0.5, 1.0]


@pytest.mark.parametrize("kind", ["knn", "kmeans", "svm", "mlp"])
def test_many_questions_are_answered_as_each_alone(kind: Kind, tmp_path: Path) -> None:
    artifact = load_artifact(made(tmp_path, kind))
    rows = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    alone = np.array([qualities(artifact, row) for row in rows])
    assert qualities_of_many(artifact, rows) == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.4, 2), (1.0, 5)])
def test_the_hardest_share_of_questions_goes_to_the_strong_model(
    share: float, expected: int, tmp_path: Path
) -> None:
    settings = Difficulty(str(made(tmp_path, "difficulty")), share)
    candidates, known = pool(SMALL, model("medium", 0.7, 5.0), LARGE), state(tmp_path)
    questions = [asking(0.0, value) for value in (0.0, 0.25, 0.5, 0.75, 1.0)]
    scores = [by_difficulty(settings, candidates, one, known) for one in questions]
    names = [max(range(3), key=row.__getitem__) for row in scores]
    assert names.count(2) == expected
    assert 1 not in names


def test_the_best_model_takes_all_questions_where_it_is_no_dearer(tmp_path: Path) -> None:
    settings, known = Difficulty(str(made(tmp_path, "difficulty")), 0.4), state(tmp_path)
    for price in (1.0, 0.5):
        small, large = by_difficulty(settings, pool(SMALL, model("large", 0.9, price)), EASY, known)
        assert large > small


def test_difficulty_says_where_a_question_stands_among_those_of_training(tmp_path: Path) -> None:
    artifact = load_artifact(made(tmp_path, "difficulty"))
    assert difficulty(artifact, np.array([0, -1], np.float32)) == 0.0
    assert difficulty(artifact, np.array([0, 0.5], np.float32)) == pytest.approx(0.5, abs=0.02)
    assert difficulty(artifact, np.array([0, 9], np.float32)) == 1.0


def test_a_selector_that_cannot_say_anything_says_why(tmp_path: Path) -> None:
    settings = Learned("knn", str(made(tmp_path, "knn")))
    with pytest.raises(Unselectable, match="no embedding"):
        learned(settings, pool(SMALL, LARGE), asking(), state(tmp_path))
    with pytest.raises(Unselectable, match="does not know third"):
        learned(settings, pool(model("third")), EASY, state(tmp_path))
    with pytest.raises(Unselectable, match="not loaded"):
        learned(settings, pool(SMALL, LARGE), EASY, NOTHING_KNOWN)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda path: (path / MANIFEST).unlink(), "there is no selector.json"),
        (lambda path: (path / ARRAYS).unlink(), "cannot read"),
        (lambda path: (path / ARRAYS).write_bytes(b"x"), "differs from its hash"),
        (lambda path: rewrite(path, format=9), "this version reads format 2: train it again"),
        (lambda path: rewrite(path, kind="oracle"), "kind"),
        (lambda path: rewrite(path, kind="svm"), "arrays.npz needs 'mean' with 1 dimensions"),
    ],
)
def test_a_damaged_selector_is_refused(damage: Any, expected: str, tmp_path: Path) -> None:
    damage(made(tmp_path, "knn"))
    with pytest.raises(SelectorError, match=expected):
        load_artifact(tmp_path)


def rewrite(path: Path, **fields: object) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps(manifest | fields))


def test_a_pickle_among_the_arrays_is_refused(tmp_path: Path) -> None:
    made(tmp_path, "knn")
    np.savez(tmp_path / ARRAYS, points=np.array([{"a": 1}], dtype=object))
    import hashlib

    rewrite(tmp_path, arrays="sha256:" + hashlib.sha256((tmp_path / ARRAYS).read_bytes()).hexdigest())
    with pytest.raises(SelectorError, match="plain arrays"):
        load_artifact(tmp_path)


class Describing(ScriptedEncoder):
    """Gives every text an embedding."""

    async def read(self, *arguments: Any, **options: Any) -> Readings:
        return replace(await super().read(*arguments, **options), embedding=np.array([1, 0], np.float32))


async def test_what_decisions_choose_by_is_loaded_when_a_configuration_goes_live(tmp_path: Path) -> None:
    coder = model("small", description="code")
    given = policy(
        coder,
        LARGE,
        decisions=(
            decision(coder, LARGE, choosing=Choosing(Learned("knn", str(made(tmp_path, "knn"))))),
            decision(coder, LARGE, choosing=Choosing(RouterDC())),
        ),
    )
    knowledge = await learn_about(given, cast(Encoder, Describing()))
    assert list(knowledge.trained) == [str(tmp_path)]
    assert list(knowledge.descriptions) == ["code"]


async def test_a_description_in_which_nothing_can_be_read_is_none() -> None:
    silent = model("small", description="\u200b")
    given = policy(silent, decisions=(decision(silent, choosing=Choosing(RouterDC())),))
    assert not (await learn_about(given, cast(Encoder, ScriptedEncoder()))).descriptions


@pytest.mark.parametrize(
    ("kind", "bundle", "named", "expected"),
    [
        ("knn", "another", "large", "was trained on bundle another, and this one is scripted"),
        ("svm", "scripted", "large", "is of type svm, not knn"),
        ("knn", "scripted", "third", "does not know third; it was trained on small, large"),
    ],
)
async def test_a_selector_that_does_not_fit_stops_the_start(
    kind: Kind, bundle: str, named: str, expected: str, tmp_path: Path
) -> None:
    other = model(named)
    choosing = Choosing(Learned("knn", str(made(tmp_path, kind, bundle))))
    given = policy(SMALL, other, decisions=(decision(SMALL, other, choosing=choosing),))
    with pytest.raises(SelectorError, match=expected):
        await learn_about(given, cast(Encoder, ScriptedEncoder()))


def test_surface_features_read_the_stem_of_a_question() -> None:
    stem = "Calculate 12 + 7. Which is NOT right?"
    assert len(features(stem)) == len(NAMES)
    assert features(stem + "\nA. 19\nB. 20") == features(stem)
    found = dict(zip(NAMES, features(stem), strict=True))
    assert (found["exception"], found["task"], found["gap"], found["formula"]) == (1.0, 1.0, 0.0, 0.0)
    longest = np.expm1([found["log_longest_sentence"], found["log_longest_word"], found["log_sentences"]])
    assert longest.tolist() == pytest.approx([4, 9, 2])  # "Which is NOT right", "Calculate"


def test_the_stem_ends_at_the_first_break_before_the_options() -> None:
    for options in ("\n\nA. x", "\n \n\t(A) x", "\nA)\n\nA. x"):
        assert features("Which one is it" + options) == features("Which one is it")
    assert features("Which one is it\nAs. x") != features("Which one is it")


def test_a_long_gap_is_read_once() -> None:
    def seconds(text: str) -> float:
        start = time.process_time()
        features(text)
        return time.process_time() - start

    gap, words = "a" + "\n" * READ, "a b, " * (READ // 5)
    # some 1 of the other; 80 where each line break is a place to begin
    assert min(seconds(gap) for _ in range(3)) < 10 * min(seconds(words) for _ in range(3))


@pytest.mark.parametrize("text", ["", " ", "。", "1" * 100_000])
def test_surface_features_are_numbers_for_any_text(text: str) -> None:
    assert np.isfinite(features(text)).all()


def test_features_stand_in_the_order_embedding_domains_surface() -> None:
    row = feature_row(np.array([0.5, 0.5], np.float32), {"law": 1.0}, ("math", "law"), (7.0,))
    assert row.tolist() == pytest.approx([0.5, 0.5, np.log(1e-3), np.log(1.001), 7.0], abs=1e-5)
