"""Language rules: which language the routing text is in, as an ISO 639-1 code.

The script decides where a language has one of its own; function words and peculiar letters decide among
languages that share one. Text that tells nothing counts as English, as in the original. Our own, since
a model for a hundred languages (100 MB, or a fifth of a second to load and `af` for "hi") is worse on
prompts of a few words than a table is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vsr.config.policy_signals import LikelyRule
from vsr.facts import Signal
from vsr.signals.asked import Asked, excerpt
from vsr.signals.language_words import FUNCTION_WORDS, PECULIAR

FALLBACK: Final = "en"
_UNSURE: Final = 0.3
_LENGTH: Final = 600
_SCRIPTS: Final[Mapping[str, str]] = {
    "ja": r"\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "zh": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
    "ko": r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
    "th": r"\u0e00-\u0e7f",
    "el": r"\u0370-\u03ff\u1f00-\u1fff",
    "he": r"\u0590-\u05ff",
    "hi": r"\u0900-\u097f",
    "bn": r"\u0980-\u09ff",
    "pa": r"\u0a00-\u0a7f",
    "gu": r"\u0a80-\u0aff",
    "ta": r"\u0b80-\u0bff",
    "te": r"\u0c00-\u0c7f",
    "kn": r"\u0c80-\u0cff",
    "ml": r"\u0d00-\u0d7f",
    "ka": r"\u10a0-\u10ff",
    "hy": r"\u0530-\u058f",
    "km": r"\u1780-\u17ff",
    "lo": r"\u0e80-\u0eff",
    "my": r"\u1000-\u109f",
    "am": r"\u1200-\u137f",
    "si": r"\u0d80-\u0dff",
    "arabic": r"\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff",
    "cyrillic": r"\u0400-\u052f",
    "latin": r"A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
_LETTERS: Final = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_WEIGHT: Final = {"zh": 3.0, "ja": 3.0, "ko": 2.0}
"""A Chinese character says as much as three Latin letters."""
_CYRILLIC: Final = ("ru", "uk", "bg")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # typographic apostrophe in d’une


@dataclass(frozen=True, slots=True)
class Detected:
    language: str
    confidence: float


def _word_weights() -> dict[str, tuple[tuple[str, float], ...]]:
    """Word → languages that use it; the more of them, the less it says."""
    languages: defaultdict[str, list[str]] = defaultdict(list)
    for language, words in FUNCTION_WORDS.items():
        for word in dict.fromkeys(words.split()):
            languages[word].append(language)
    return {word: tuple((name, 1 / len(names)) for name in names) for word, names in languages.items()}


_WORDS: Final = _word_weights()
_LETTER_OF: Final = {
    letter: tuple(name for name, letters in PECULIAR.items() if letter in letters)
    for letter in set("".join(PECULIAR.values()))
}
LANGUAGES: Final = tuple(
    sorted({*_SCRIPTS, *FUNCTION_WORDS, "ar", "fa", "ur"} - {"arabic", "cyrillic", "latin"})
)
"""What can be told apart."""


def detect(text: str) -> Detected:
    sample = excerpt(text, _LENGTH)
    counts = _scripts(sample)
    total = sum(counts.values())
    if not total:
        return Detected(FALLBACK, 0.0)
    script = max(counts, key=lambda name: counts[name])
    share = counts[script] / total
    if script in ("zh", "ja"):
        return _east_asian(counts, total)
    if script == "arabic":
        return Detected(_arabic(sample), share)
    if script not in ("latin", "cyrillic"):
        return Detected(script, share)
    found = _by_words(sample, _CYRILLIC if script == "cyrillic" else None)
    if found.confidence == 0.0 and script == "cyrillic":
        return Detected("ru", 0.5 * share)
    return Detected(found.language, found.confidence * share)


def evaluate(rules: Sequence[LikelyRule], asked: Asked) -> list[Signal]:
    if not rules:
        return []
    found = detect(asked.text)
    language = found.language if found.confidence >= _UNSURE else FALLBACK
    return [_evaluate_rule(rule, language, found.confidence) for rule in rules]


def _evaluate_rule(rule: LikelyRule, language: str, confidence: float) -> Signal:
    """English as the fallback holds with whatever confidence there is."""
    holds = rule.name == language and (confidence >= rule.threshold or confidence < _UNSURE)
    return Signal(
        "language",
        rule.name,
        holds,
        confidence if rule.name == language else 0.0,
        rule.threshold,
        detail=f"{language} {confidence:.2f}",
    )


def _scripts(text: str) -> dict[str, float]:
    """Letters of each script, weighted."""
    counts: defaultdict[str, float] = defaultdict(float)
    for character, count in Counter(text).items():
        name = _script_of(character)
        if name:
            counts[name] += count * _WEIGHT.get(name, 1.0)
    return counts


@lru_cache(maxsize=8192)
def _script_of(character: str) -> str:
    return next((name for name, letters in _LETTERS.items() if letters.match(character)), "")


def _east_asian(counts: Mapping[str, float], total: float) -> Detected:
    """Japanese mixes kana into Chinese characters; Chinese text holds at most a quoted word of it."""
    kana, han = counts.get("ja", 0.0), counts.get("zh", 0.0)
    share = (kana + han) / total
    return Detected("ja" if kana > 0.12 * (kana + han) else "zh", share)


def _arabic(text: str) -> str:
    if re.search("[ٹڈڑںےہھ]", text):
        return "ur"
    return "fa" if re.search("[پچژگکی]", text) else "ar"


def _by_words(text: str, among: Sequence[str] | None) -> Detected:
    scores: defaultdict[str, float] = defaultdict(float)
    lowered = text.lower().replace("’", "'")  # typographic apostrophe
    words = _WORD.findall(lowered)
    for word, count in Counter(words).items():
        for language, weight in _WORDS.get(word, ()):
            scores[language] += weight * count
    if not lowered.isascii():
        for letter in _NOT_ASCII.findall(lowered):
            for language in _LETTER_OF.get(letter, ()):
                scores[language] += 0.5 / len(_LETTER_OF[letter])
    if among is not None:
        scores = defaultdict(float, {name: score for name, score in scores.items() if name in among})
    if not scores:
        return Detected(FALLBACK, 0.0)
    best = max(sorted(scores), key=lambda name: scores[name])
    evidence = scores[best] / (scores[best] + 0.5)
    return Detected(best, scores[best] / sum(scores.values()) * evidence)
