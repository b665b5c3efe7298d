"""The vectors of all examples that a policy's rules name, made once when its generation starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vsr.config.policy_signals import PreferenceRule, Scoring, Signals
from vsr.encoder.classifiers import Embedder
from vsr.signals.complexity import ComplexityBanks
from vsr.signals.contrast import ContrastBanks
from vsr.signals.embedding import EmbeddingBanks
from vsr.signals.kb import LoadedBase, read_exemplars
from vsr.signals.prototypes import Bank, Vector, make_bank

Exemplars = Mapping[str, Mapping[str, Sequence[str]]]
"""Knowledge base → label → texts."""


@dataclass(frozen=True, slots=True, eq=False)
class Banks:
    """By the name of the rule, or of the knowledge base. vectors: by text, of all examples."""

    embeddings: Mapping[str, EmbeddingBanks] = field(default_factory=dict)
    complexities: Mapping[str, ComplexityBanks] = field(default_factory=dict)
    contrasts: Mapping[str, ContrastBanks] = field(default_factory=dict)
    preferences: Mapping[str, Bank] = field(default_factory=dict)
    kbs: Mapping[str, LoadedBase] = field(default_factory=dict)
    vectors: Mapping[str, Vector] = field(default_factory=dict)


NO_BANKS = Banks()


async def load_banks(signals: Signals, embedder: Embedder, known: Mapping[str, Vector]) -> Banks:
    """known: vectors of texts, as the same embedder made them before. Raises ConfigError if a knowledge
    base cannot be read, and what the embedder raises. Large files and many examples take long, so a
    thread reads and compares them."""
    exemplars = await asyncio.to_thread(_read, signals)
    texts = list(dict.fromkeys(_texts(signals, exemplars)))
    if not texts:
        return NO_BANKS
    vectors = {text: known[text] for text in texts if text in known}
    missing = [text for text in texts if text not in known]
    if missing:
        vectors |= zip(missing, await embedder.embed(missing, deadline=None), strict=True)
    return await asyncio.to_thread(_Maker(vectors).banks, signals, exemplars)


def _read(signals: Signals) -> Exemplars:
    return {base.name: read_exemplars(base) for base in signals.knowledge_bases}


def _texts(signals: Signals, exemplars: Exemplars) -> Iterable[str]:
    for embedding in signals.embeddings:
        yield from (*embedding.candidates, *embedding.negatives)
    for complexity in signals.complexities:
        yield from (*complexity.hard, *complexity.easy)
    for jailbreak in signals.jailbreaks:
        yield from (*jailbreak.attacks, *jailbreak.benign)
    for preference in _by_examples(signals):
        yield from preference.examples
    for labels in exemplars.values():
        for examples in labels.values():
            yield from examples


def _by_examples(signals: Signals) -> tuple[PreferenceRule, ...]:
    """A model that names preferences is told their examples, and nothing is compared."""
    return signals.preferences if signals.preferrer is None else ()


class _Maker:
    def __init__(self, vectors: Mapping[str, Vector]) -> None:
        self._vectors = vectors

    def banks(self, signals: Signals, exemplars: Exemplars) -> Banks:
        nearest = Scoring(cluster=False, aggregation="max")
        return Banks(
            embeddings={
                rule.name: EmbeddingBanks(
                    self._bank(rule.candidates, rule.scoring), self._bank(rule.negatives, rule.scoring)
                )
                for rule in signals.embeddings
            },
            complexities={
                rule.name: ComplexityBanks(
                    self._bank(rule.hard, rule.scoring), self._bank(rule.easy, rule.scoring)
                )
                for rule in signals.complexities
            },
            contrasts={
                rule.name: ContrastBanks(self._bank(rule.attacks, nearest), self._bank(rule.benign, nearest))
                for rule in signals.jailbreaks
                if rule.contrast is not None
            },
            preferences={
                rule.name: self._bank(rule.examples, rule.scoring) for rule in _by_examples(signals)
            },
            kbs={
                base.name: LoadedBase(
                    base,
                    {label: self._bank(texts, base.scoring) for label, texts in exemplars[base.name].items()},
                )
                for base in signals.knowledge_bases
            },
            vectors=self._vectors,
        )

    def _bank(self, texts: Sequence[str], scoring: Scoring) -> Bank:
        return make_bank([self._vectors[text] for text in texts], scoring)
