"""The original router's way to read a text: one ModernBERT-base pass for each of three tasks.

Random weights of the right shape, in torch and float32, one pass after the other as it does; the time
does not depend on the weights' values. Needs torch and transformers, which the server does not.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

MODELS = 3
HOW = "not measured: torch and transformers are missing; pip install 'vsr-router[train]'"


def measure(passes: Mapping[int, int]) -> dict[str, Any]:
    """Median milliseconds by number of tokens; `passes` says how often each is measured."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        return {"note": HOW}
    import torch
    from transformers import ModernBertConfig, ModernBertModel

    models = [ModernBertModel(ModernBertConfig()).eval() for _ in range(MODELS)]
    taken: dict[str, Any] = {}
    with torch.inference_mode():
        for tokens, count in passes.items():
            ids = torch.randint(1000, 20_000, (1, tokens))
            times = [_milliseconds(models, ids) for _ in range(count + 1)]
            taken[str(tokens)] = median(times[1:])
    return {"threads": torch.get_num_threads(), "torch": torch.__version__, "ms": taken}


def _milliseconds(models: list[Any], ids: Any) -> float:  # torch comes without types
    begun = time.perf_counter()
    for model in models:
        model(input_ids=ids)
    return 1e3 * (time.perf_counter() - begun)
