"""A head is fitted to what the finished trunk makes of texts it has not met."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("peft", reason="training needs the extra `train`")

from vsr.errors import EvaluationError  # noqa: E402
from vsr.training.examples import task_of  # noqa: E402
from vsr.training.labels import FEEDBACK  # noqa: E402
from vsr.training.refit import HEADS, chosen_rows, fit  # noqa: E402
from vsr.training.rows import Row  # noqa: E402

OF_FEEDBACK, OF_GUARD = HEADS


def row(feedback: str | None, stratum: str = "unseen/en/SAT", jailbreak: str | None = None) -> Row:
    return Row("text", "test", "own", "group", "en", stratum, feedback=feedback, jailbreak=jailbreak)


def features(labels: list[str]) -> Any:
    """Each label in a direction of its own."""
    return torch.nn.functional.one_hot(torch.tensor([FEEDBACK.index(label) for label in labels]), 8).float()


def test_the_head_learns_what_the_features_tell() -> None:
    labels = [FEEDBACK[number % 5] for number in range(500)]
    head = fit(features(labels), [row(label) for label in labels], OF_FEEDBACK, seed=0)
    told = head(features(list(FEEDBACK))).argmax(dim=1)
    assert [FEEDBACK[place] for place in told] == list(FEEDBACK)


def test_where_rows_contradict_those_the_trunk_has_not_seen_count_more() -> None:
    unseen = [row("SAT")] * 200
    seen = [row("WRONG_ANSWER", "feedback/en/WRONG_ANSWER")] * 230
    head = fit(features(["SAT"] * 430), [*unseen, *seen], replace(OF_FEEDBACK, epochs=50), seed=0)
    assert FEEDBACK[int(head(features(["SAT"])).argmax())] == "SAT"


def test_a_head_beside_the_wide_part_speaks_as_loud_as_it_is_told() -> None:
    labels = [FEEDBACK[number % 5] for number in range(100)]
    rows = [row(label) for label in labels]
    soft, loud = (
        fit(features(labels), rows, replace(OF_FEEDBACK, scale=scale), seed=0) for scale in (1.0, 3.0)
    )
    torch.testing.assert_close(3.0 * soft(features(labels)), loud(features(labels)))


def test_all_unseen_rows_are_read_and_some_of_the_others() -> None:
    head = replace(OF_GUARD, known=40, ordinary=5)
    unseen = [row(None, f"unseen/1/en/{kind}", kind) for kind in ("jailbreak", "benign")]
    known = [row(None, "jailbreak/a/x", "jailbreak")] * 90 + [row(None, "benign/b/x", "benign")] * 900
    ordinary = [row("NONE", "natural/en/law/x", "benign")] * 9
    chosen = chosen_rows([*ordinary, *unseen, row("SAT"), *known], head, seed=0)
    assert chosen[:2] == unseen
    assert Counter(map(task_of, chosen)) == {"unseen": 2, "guard": 40, "natural": 5}
    assert 10 < Counter(r.jailbreak for r in chosen[2:42])["jailbreak"] < 30  # labels alike


def test_a_head_without_known_rows_is_fitted_to_the_unseen_alone() -> None:
    rows = [row("SAT"), row("NONE")]
    assert chosen_rows(rows, OF_FEEDBACK, seed=0) == rows


def test_rows_prepared_without_any_for_the_head_are_refused() -> None:
    with pytest.raises(EvaluationError, match="`prepare` stage"):
        chosen_rows([row("SAT", "feedback/en/SAT")], OF_FEEDBACK, seed=0)
