"""What a question looks like, without a model: a few numbers that go with its difficulty.

They are read from the stem of a multiple-choice question, since the lettered options say more about the
format than about the question.
"""

from __future__ import annotations

import math
import re
from itertools import chain
from typing import Final

READ: Final = 4_000
"""Characters looked at; the numbers change little after that and the search stays under a millisecond."""
_GAP: Final = re.compile(r"\n\s*(\(?A[.)]\s)?")
"""White space from its first line break on, and the first option where one follows. Matched whether or not
one does, a long gap is gone through once."""
_WORD: Final = re.compile(r"\w+")
_NUMBER: Final = re.compile(r"\d[\d.,]*")
_OPERATOR: Final = re.compile(r"[=+*/^<>√∑∫≤≥]")
_SENTENCE: Final = re.compile(r"[.!?。！？](?:\s|$)")
_EXCEPTION: Final = re.compile(r"\b(?:not|except|least|false)\b", re.IGNORECASE)
_TASK: Final = re.compile(
    r"\b(?:find|calculate|compute|determine|evaluate|solve|how many|how much)\b", re.IGNORECASE
)

NAMES: Final = (
    "log_characters",
    "log_words",
    "log_numbers",
    "share_of_digits",
    "log_operators",
    "formula",
    "log_sentences",
    "characters_per_word",
    "share_of_capitals",
    "exception",
    "gap",
    "several_lines",
    "task",
    "log_longest_sentence",
    "log_longest_word",
)


def features(text: str) -> tuple[float, ...]:
    """One number for each of NAMES."""
    text = text[:READ]
    stem = text[: next((gap.start() for gap in _GAP.finditer(text) if gap[1]), len(text))]
    length = max(1, len(stem))
    sentences = [_WORD.findall(sentence) for sentence in _SENTENCE.split(stem)]
    words = sum(map(len, sentences))
    return (
        math.log1p(len(stem)),
        math.log1p(words),
        math.log1p(len(_NUMBER.findall(stem))),
        sum(character.isdigit() for character in stem) / length,
        math.log1p(len(_OPERATOR.findall(stem))),
        float("$" in stem or "\\" in stem),
        math.log1p(len(sentences) - 1),
        length / max(1, words),
        sum(character.isupper() for character in stem) / length,
        float(_EXCEPTION.search(stem) is not None),
        float("___" in stem),
        float("\n" in stem),
        float(_TASK.search(stem) is not None),
        math.log1p(max(map(len, sentences))),
        math.log1p(max(map(len, chain.from_iterable(sentences)), default=0)),
    )
