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
    """Without questions of `held_out` and near copies of them, and unless `keep_models` without its models.
    Raises SelectorError if nothing is left."""
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
    report: dict[str, object] = {
        "rows": int(kept.sum()),
        "models": list(models),
        "models_left_out": [name for name in names if name not in models],
        "copies_left_out": int(copies.exact.sum()),
        "near_copies_left_out": int(copies.near.sum()),
    }
    return Admitted(kept, models, report)
