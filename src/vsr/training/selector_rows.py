"""Which rows and which models a selector may learn from, when it will be measured on others.

A selector is only as good as it is on questions, and for `difficulty` on models, that it has not met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsr.errors import SelectorError
from vsr.training.copies import find_copies
from vsr.training.outcomes import Row, model_names


@dataclass(frozen=True, slots=True)
class Admitted:
    """kept: shape (rows,). report: what was left out, for the selector's manifest."""

    kept: NDArray[np.bool_]
    models: tuple[str, ...]
    report: dict[str, object]


def admit(rows: Sequence[Row], held_out: Sequence[Row], *, keep_models: bool = False) -> Admitted:
    """Without questions of `held_out` and near copies of them, and unless `keep_models` without its models,
    nor what is left unanswered then: rows of no other model, models of no other row. Raises SelectorError if
    nothing is left."""
    names = model_names(rows)
    models = names if keep_models else model_names(rows, model_names(held_out))
    if not models:
        raise SelectorError(
            "every model is in the held-out rows too, so none is left to learn from; with --keep-models the "
            "selector learns about them and only the questions are held out"
        )
    copies = find_copies(rows, held_out)
    kept = ~copies.either
    if not kept.any():
        raise SelectorError("every question is in the held-out rows too, so none is left to learn from")
    answered = np.array([not row.correct.keys().isdisjoint(models) for row in rows], dtype=bool)
    unanswered = kept & ~answered
    kept &= answered
    if not kept.any():
        raise SelectorError(
            "no question that is left was answered by a model that is left, so there is nothing to learn from"
        )
    known = set(model_names([row for row, stays in zip(rows, kept, strict=True) if stays]))
    models = tuple(name for name in models if name in known)
    report: dict[str, object] = {
        "rows": int(kept.sum()),
        "models": list(models),
        "models_left_out": [name for name in names if name not in models],
        "copies_left_out": int(copies.exact.sum()),
        "near_copies_left_out": int(copies.near.sum()),
        "unanswered_left_out": int(unanswered.sum()),
    }
    return Admitted(kept, models, report)
