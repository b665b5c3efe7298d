"""A passage written out as its reader would read it, and whether that may stand for the passage.

It may if it says everything that the passage says in plain words, and is made of plain words itself. Else
a writer could hide an attack in plain words by something around it that looks like a disguise. Where a
stretch says something both ways, the passage is judged in both forms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from vsr.signals.unwrap import Found, Knows, plain_letters

LONGEST = 16_384
"""Longer passages are never rewritten, which bounds what is read twice."""
NEAR = 200
"""Characters of plain text that are read with a disguised word, since a sentence may be half disguised."""

_WORD = re.compile(r"(?:(?![\u3400-\u9fff])[^\W\d_]){3,}")
_WIDE = re.compile(r"[\u3400-\u9fff]")
_SAYING = 4
"""Letters of a word whose loss counts; shorter ones come out of turned text by chance."""
_STRANGE = 0.4
"""Share of words of a plain text that may be unknown, such as names."""
_MADE = 0.15
"""Share of words that may have become unknown: turned about, words of other languages would."""
_FEWEST_WIDE = 4
_FOREIGN = re.compile(r"(?![\x00-\x7f])[^\W\d_]")


def apart(text: str, spans: Iterable[Found]) -> list[Found]:
    """Spans of `text` in order, without those that overlap an earlier one of the argument."""
    taken = bytearray(len(text))
    kept: list[Found] = []
    for span in spans:
        start, end, _ = span
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            kept.append(span)
    return sorted(kept)


def rewritten(text: str, spans: Sequence[Found]) -> str:
    """`text` with every span replaced by what it says; the spans lie apart and in order."""
    pieces: list[str] = []
    at = 0
    for start, end, reading in spans:
        pieces += [text[at:start], reading]
        at = end
    return "".join([*pieces, text[at:]])


def may_stand_for(reading: str, text: str, knows: Knows) -> bool:
    """Whether `reading` is plain language and has all the plain words of `text`, but for a few that may
    be there by chance. Languages that the vocabulary does not know are no plain language, so that text in
    them is neither rewritten nor lost."""
    words = [word.lower() for word in _WORD.findall(reading)]
    unknown = [word for word in words if not knows(word)]
    before = set(map(str.lower, _WORD.findall(text)))
    plain = len(unknown) <= _STRANGE * len(words) if words else len(_WIDE.findall(reading)) >= _FEWEST_WIDE
    made = sum(word not in before for word in unknown)
    if not plain or made > 1 + _MADE * len(words) or len(_WIDE.findall(reading)) < len(_WIDE.findall(text)):
        return False
    lost = _saying(text, knows) - _saying(reading, knows)
    return lost.total() <= 1 + len(words) // 20


def is_ambiguous(text: str, spans: Iterable[Found], knows: Knows) -> bool:
    """Whether one of the stretches may say something as it stands, too.

    Each is looked at by itself, and what its reading says counts for nothing: else the words of an attack,
    given back elsewhere in another order, would hide it.
    """
    return any(_may_say(text[start:end], reading, knows) for start, end, reading in spans)


def _may_say(stretch: str, reading: str, knows: Knows) -> bool:
    """Words that say something, letters of other scripts in another order, or a reading that makes
    nothing of three words in a row: such words are short, or of a language that the vocabulary lacks."""
    if knows(reading):
        return False  # digits stood in this one word
    if _saying(stretch, knows) or (not stretch.isascii() and _foreign(stretch) != _foreign(reading)):
        return True
    known = [knows(word.lower()) for word in _WORD.findall(reading)]
    return any(not any(three) for three in zip(known, known[1:], known[2:], strict=False))


def _foreign(text: str) -> list[str]:
    return _FOREIGN.findall(plain_letters(text))


def _saying(text: str, knows: Knows) -> Counter[str]:
    return Counter(word.lower() for word in _WORD.findall(text) if _says(word.lower(), knows))


def _says(word: str, knows: Knows) -> bool:
    """Not what is a word from right to left, too: it comes out of mirrored text by chance."""
    if len(word) < _SAYING:
        return False
    return (knows(word) and not knows(word[::-1])) or not plain_letters(word).isascii()


def in_context(text: str, spans: Sequence[Found]) -> Iterator[Found]:
    """Spans that stand near one another and the text around them, with each span replaced."""
    group: list[Found] = []
    for span in (*spans, (len(text) + 2 * NEAR + LONGEST, 0, "")):
        far = bool(group) and span[0] - group[-1][1] > 2 * NEAR
        if group and (far or span[1] - group[0][0] > LONGEST - 2 * NEAR):
            start, end = max(0, group[0][0] - NEAR), min(len(text), group[-1][1] + NEAR)
            inside = [(first - start, last - start, reading) for first, last, reading in group]
            yield start, end, rewritten(text[start:end], inside)
            group = []
        group.append(span)
