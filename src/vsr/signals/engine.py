"""All signals of a request: what a generation makes once for its rules, and the order of asking.

First what costs nothing (words, shape, caller, the encoder's one pass), then what compares vectors,
then complexity, whose composers read the others; last the models that need a call each, together, and
only those that a decision which can still win depends on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from vsr.config.policy import Policy
from vsr.config.policy_signals import ClassifierRule, Signals
from vsr.encoder.classifiers import Embedder, TextClassifier
from vsr.encoder.encoder import Encoder
from vsr.errors import VSRError
from vsr.facts import Passage, Signal
from vsr.signals import classifier, nearby, preference, remote_guard
from vsr.signals.asked import Asked, excerpt, is_blank
from vsr.signals.composer import Key, still_needed
from vsr.signals.context import TokenCalibration
from vsr.signals.evaluate import from_readings
from vsr.signals.evidence import Evidence
from vsr.signals.examples import Examples
from vsr.signals.nearby import Sight
from vsr.signals.prototypes import Vector
from vsr.signals.rules import TextRules
from vsr.signals.seats import Seats, open_seats
from vsr.signals.shared import Shared
from vsr.signals.usage import used_signals
from vsr.signals.vectors import BundleEmbedder, KeptVectors

SignalMap = dict[Key, Signal]

_LONG: Final = 20_000
"""Characters from which on text rules leave the event loop."""
_SEEN: Final = 2_048
"""Characters that a model behind a seat is asked about, as in the original: beginning, middle, end."""
_HISTORY: Final = 1_024
"""Different asks before the present one that are compared with examples, the latest."""


class _Recipe:
    """The rules of one policy, compiled."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.used = used_signals(policy)
        self.text = TextRules(self.used)

    @cached_property
    def all_text(self) -> TextRules:
        return TextRules(self.policy.signals)

    def rules(self, everything: bool) -> tuple[Signals, TextRules]:
        return (self.policy.signals, self.all_text) if everything else (self.used, self.text)


class SignalEngine:
    """One for a generation, with all its recipes. calibration learns from what back ends report; like the
    models that are asked, and the vectors of examples, it goes on from one generation to the next."""

    def __init__(
        self,
        policy: Policy,
        examples: Examples | None = None,
        *,
        embedder: Embedder | None = None,
        seats: Seats | None = None,
        calibration: TokenCalibration | None = None,
    ) -> None:
        """Without examples, rules that compare carry an error. embedder: for the asks before this one."""
        self._recipes = {one.recipe: _Recipe(one) for one in (policy, *policy.recipes.values())}
        self._guard = policy.guards.jailbreak
        self._examples = examples or Examples()
        self.embedder = embedder
        self._asks = KeptVectors()
        self._seats = seats or Seats()
        self.calibration = calibration or TokenCalibration()
        self._shared = Shared()
        self._opened: Seats | None = None

    @classmethod
    async def start(
        cls,
        policy: Policy,
        encoder: Encoder,
        seats: Seats | None = None,
        *,
        before: SignalEngine | None = None,
    ) -> SignalEngine:
        """Makes the vectors of all examples, and opens the seats where none are given. before: the engine of
        the generation before, with which this one shares what has not changed.

        Raises ConfigError for a knowledge base that cannot be read, BundleError for a local classifier, and
        what the bundle's encoder raises. A remote embedder may be away."""
        shared = before._shared if before else Shared()
        opened = await open_seats(policy, shared) if seats is None else None
        used = opened or seats or Seats()
        embedder = used.embedder or BundleEmbedder(encoder)
        known = before._examples.vectors if before and before.embedder == embedder else {}
        examples = Examples((policy, *policy.recipes.values()), embedder, known)
        try:
            await examples.load(patient=used.embedder is not None)
        except BaseException:
            if opened is not None:
                await opened.aclose()
            raise
        calibration = before.calibration if before else None
        engine = cls(policy, examples, embedder=embedder, seats=used, calibration=calibration)
        engine._shared, engine._opened = shared, opened
        return engine

    @property
    def guarded(self) -> bool:
        """Whether a guard of others is to be asked."""
        return self._guard.remote is not None

    async def guard(self, passages: Sequence[Passage], deadline: float | None) -> Signal | None:
        """What a guard of others says; None if none is configured."""
        return await remote_guard.ask(self._guard, self._seats.guard, passages, deadline)

    async def aclose(self) -> None:
        """Ends what `start` opened."""
        await self._examples.aclose()
        if self._opened is not None:
            await self._opened.aclose()

    async def compute(self, policy: Policy, evidence: Evidence, *, everything: bool = False) -> SignalMap:
        """Keyed by type and name. policy: a recipe, perhaps with only some of its decisions; those are what a
        call can still matter for. everything: also what no decision names, for those who look."""
        recipe = policy.recipe
        one = self._recipes[recipe]
        rules, text = one.rules(everything)
        asked = evidence.asked()
        found: SignalMap = {}
        _put(found, await self._text(text, asked, evidence))
        _put(found, from_readings(rules, evidence, policy.fallback_category))
        external = recipe in self._seats.preferences
        if self._compares(policy, rules, found, preferences=not external, everything=everything):
            sight = await self._sight(rules, asked, evidence)
            banks = self._examples.of(recipe)
            _put(found, nearby.evaluate(rules, banks, sight, found, preferences=not external))
            _put(found, nearby.evaluate_complexity(rules, banks, sight, found))
        await self._ask_models(policy, rules, asked, evidence, found, everything=everything)
        return found

    def _compares(
        self, policy: Policy, rules: Signals, found: SignalMap, *, preferences: bool, everything: bool
    ) -> bool:
        """Whether vectors are needed. Where they cost a call, only while a decision can still use them."""
        if not nearby.needs_vector(rules):
            return False
        if everything or self._seats.embedder is None:
            return True
        compared = nearby.keys(rules, preferences=preferences)
        known = {key: signal for key, signal in found.items() if key not in compared}
        pending = compared | _asking(rules, preferences=not preferences)
        return bool(still_needed(policy, known, pending) & compared)

    async def _text(self, text: TextRules, asked: Asked, evidence: Evidence) -> list[Signal]:
        factor = self.calibration.factor
        if len(asked.text) < _LONG:
            return text.evaluate(asked, evidence, factor)
        return await asyncio.to_thread(text.evaluate, asked, evidence, factor)

    async def _sight(self, rules: Signals, asked: Asked, evidence: Evidence) -> Sight:
        """The vectors that the rules compare, as far as they can be made."""
        own, text = self._seats.embedder, excerpt(asked.text, _SEEN)
        if own is None:
            sight = Sight(evidence.readings.embedding if evidence.readings else None, error=evidence.unread)
        elif is_blank(text):
            sight = Sight()
        else:
            made, error = await _embed(own, [text], evidence.deadline)
            sight = Sight(made[0] if made else None, error=error)
        if not sight.error:
            sight = await self._with_earlier(sight, rules, evidence)
        if own and (sight.vector is not None or sight.history):
            await self._examples.make_up(evidence.deadline)
        return sight

    async def _with_earlier(self, sight: Sight, rules: Signals, evidence: Evidence) -> Sight:
        """With the asks before; those in which nothing can be read are no asks."""
        lookback, needs_history = nearby.lookback(rules), nearby.needs_history(rules)
        if not (lookback or needs_history):
            return sight
        excerpts = (excerpt(text, _SEEN) for text in evidence.earlier())
        texts = [text for text in excerpts if not is_blank(text)]
        latest = texts[:lookback]
        history = list(dict.fromkeys(texts))[:_HISTORY] if needs_history else []
        wanted = list(dict.fromkeys((*latest, *history)))
        if not wanted:
            return sight
        if self.embedder is None:
            return replace(sight, earlier_error="no embedder is loaded")
        known, error = await self._asks.embed(self.embedder, wanted, evidence.deadline)
        seen = {text: vector for text, vector in known.items() if vector.any()}
        return replace(
            sight,
            earlier=tuple(seen[text] for text in latest if text in seen),
            history=tuple(seen[text] for text in history if text in seen),
            earlier_error=error,
        )

    async def _ask_models(
        self,
        policy: Policy,
        rules: Signals,
        asked: Asked,
        evidence: Evidence,
        found: SignalMap,
        *,
        everything: bool,
    ) -> None:
        preferrer = self._seats.preferences.get(policy.recipe)
        pending = _asking(rules, preferences=preferrer is not None)
        needed = pending if everything else still_needed(policy, found, pending)
        if not needed:
            return
        text = excerpt(asked.text, _SEEN)
        asking = [rule for rule in rules.classifiers if ("classifier", rule.name) in needed]
        calls = [self._classify(rule, text, evidence.deadline) for rule in asking]
        if preferrer is not None and any(kind == "preference" for kind, _ in needed):
            calls.append(_prefer(preferrer, rules, text, evidence.deadline))
        answers = await asyncio.gather(*calls)
        for signals in answers:
            _put(found, signals)

    async def _classify(self, rule: ClassifierRule, text: str, deadline: float | None) -> list[Signal]:
        seat = self._seats.classifiers.get(rule.name)
        return [await classifier.evaluate(rule, seat, text, deadline)]


def _asking(rules: Signals, *, preferences: bool) -> set[Key]:
    """What a call is made for by itself. preferences: whether a model names them."""
    keys: set[Key] = {("classifier", rule.name) for rule in rules.classifiers}
    return keys | ({("preference", rule.name) for rule in rules.preferences} if preferences else set())


async def _prefer(
    preferrer: TextClassifier, rules: Signals, text: str, deadline: float | None
) -> list[Signal]:
    if not text.strip():
        return [preference.failed(rule, "no text to route by") for rule in rules.preferences]
    try:
        (probabilities,) = await preferrer.classify([text], deadline=deadline)
    except VSRError as error:
        return [preference.failed(rule, type(error).__name__) for rule in rules.preferences]
    return preference.from_labels(rules.preferences, probabilities)


async def _embed(embedder: Embedder, texts: list[str], deadline: float | None) -> tuple[list[Vector], str]:
    """The vectors, or none and why."""
    try:
        return await embedder.embed(texts, deadline=deadline), ""
    except VSRError as error:
        return [], type(error).__name__


def _put(found: SignalMap, signals: list[Signal]) -> None:
    found.update((signal.key, signal) for signal in signals)
