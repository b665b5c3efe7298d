"""What selection loads or computes once, when a configuration goes live."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.config.policy import Algorithm, Decision, Difficulty, Hybrid, Learned, Policy, RouterDC
from vsr.content import Content
from vsr.encoder.encoder import Encoder
from vsr.errors import SelectorError
from vsr.facts import Leaf, Passage
from vsr.selection.learned.artifact import Artifact, load_artifact
from vsr.selection.router_dc import described
from vsr.selection.state import Knowledge


async def learn_about(policy: Policy, encoder: Encoder) -> Knowledge:
    """Trained selectors, checked against bundle and candidates, and descriptions' embeddings.

    Raises SelectorError if a selector is missing, damaged, made for another bundle or another pool.
    """
    decisions = [one for recipe in (policy, *policy.recipes.values()) for one in recipe.decisions]
    trained: dict[str, Artifact] = {}
    for decision in decisions:
        algorithm = decision.choosing.algorithm
        if isinstance(algorithm, (Learned, Difficulty)):
            if algorithm.path not in trained:
                trained[algorithm.path] = load_artifact(Path(algorithm.path))
            _check(trained[algorithm.path], algorithm, decision, policy, encoder.bundle.digest)
    texts = {text for decision in decisions for text in _descriptions(decision, policy)}
    vectors = {text: await _embed(text, encoder) for text in sorted(texts)}
    return Knowledge(trained, {text: vector for text, vector in vectors.items() if vector is not None})


def _check(
    artifact: Artifact, algorithm: Learned | Difficulty, decision: Decision, policy: Policy, bundle: str
) -> None:
    manifest, where = artifact.manifest, f"decision {decision.name}: selector {artifact.path}"
    if manifest.kind != algorithm.name:
        raise SelectorError(f"{where} is of type {manifest.kind}, not {algorithm.name}")
    if manifest.bundle != bundle:
        raise SelectorError(
            f"{where} was trained on bundle {manifest.bundle[:12]}, and this one is {bundle[:12]}: "
            "embeddings of two bundles do not mix; run vsr train-selector again"
        )
    if isinstance(algorithm, Difficulty):
        return
    for ref in decision.models:
        model = policy.models[ref.model]
        if not {ref.lora or model.name, model.name, model.model_id} & set(manifest.models):
            raise SelectorError(
                f"{where} does not know {ref.lora or model.name}; it was trained on "
                + ", ".join(manifest.models)
            )


def _descriptions(decision: Decision, policy: Policy) -> Iterable[str]:
    settings = _router_dc(decision.choosing.algorithm)
    if settings is None:
        return ()
    texts = (described(policy.models[ref.model], settings.use_capabilities) for ref in decision.models)
    return [text for text in texts if text]


def _router_dc(algorithm: Algorithm) -> RouterDC | None:
    if isinstance(algorithm, Hybrid):
        return algorithm.description
    return algorithm if isinstance(algorithm, RouterDC) else None


async def _embed(text: str, encoder: Encoder) -> NDArray[np.float32] | None:
    """None for a text without anything that can be read, which describes nothing."""
    passage = Passage("user", Content(text), (Leaf(0, len(text), ()),))
    return (await encoder.read([passage], [0])).embedding
