"""The signals that need no model, all of them at once: compiled for a policy, evaluated on a request.

Everything here is plain computation on the text, the shape and the caller of one request.
"""

from __future__ import annotations

from vsr.config.policy_signals import KeywordRule, Signals
from vsr.facts import Signal
from vsr.signals import (
    authz,
    context,
    conversation,
    event,
    language,
    metadata,
    modality,
    structure,
)
from vsr.signals.asked import Asked
from vsr.signals.bm25 import Bm25Keywords
from vsr.signals.evidence import Evidence
from vsr.signals.fuzzy import FuzzyKeywords
from vsr.signals.keyword import LiteralKeywords
from vsr.signals.ngram import NgramKeywords


class TextRules:
    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._literal = LiteralKeywords(_of(signals, "words", "regex"))
        self._bm25 = Bm25Keywords(_of(signals, "bm25"))
        self._ngram = NgramKeywords(_of(signals, "ngram"))
        self._fuzzy = FuzzyKeywords(_of(signals, "fuzzy"))

    def evaluate(self, asked: Asked, evidence: Evidence, calibration: float) -> list[Signal]:
        """calibration: counted tokens for each estimated one."""
        rules = self._signals
        found = [
            *self._literal.evaluate(asked),
            *self._bm25.evaluate(asked),
            *self._ngram.evaluate(asked),
            *self._fuzzy.evaluate(asked),
            *structure.evaluate(rules.structures, asked),
            *conversation.evaluate(rules.conversations, evidence.conversation),
            *metadata.evaluate(rules.metadata, evidence.metadata),
            *event.evaluate(rules.events, asked, evidence.metadata),
            *authz.evaluate(rules.role_bindings, evidence.caller),
            *language.evaluate(rules.languages, asked),
            *modality.evaluate(rules.modalities, asked, evidence.modalities),
        ]
        if rules.contexts:
            tokens = context.window_tokens(evidence.passages, evidence.conversation, calibration)
            found += context.evaluate(rules.contexts, tokens)
        return found


def _of(signals: Signals, *methods: str) -> list[KeywordRule]:
    return [rule for rule in signals.keywords if rule.method in methods]
