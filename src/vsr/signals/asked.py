"""The routing text of one request in the forms that rules look at, each made at most once.

Scorers that walk over single words read an excerpt of bounded length; literal keywords, expressions
and counts read all of it.
"""

from __future__ import annotations

import re
from functools import cached_property
from re import Pattern
from typing import Final
from unicodedata import category

from vsr.config.patterns import ascii_words, borders_kept, fold_case

EXCERPT: Final = 4_096
"""Characters that word scorers read of a longer text: its beginning, middle and end, a third each."""
_MAX_WORD: Final = 40
_MOST: Final = 1_000_000
_CJK: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_WORD: Final = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[\w-])+")
_ASCII_WORD: Final = re.compile(r"[a-z0-9_-]+")
_UNIT: Final = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])\w)+")
_WIDE: Final = re.compile(rf"[{_CJK}]")


def is_cjk(text: str) -> bool:
    return not text.isascii() and _WIDE.search(text) is not None


def is_blank(text: str) -> bool:
    """Whether there is nothing to read: white space, what is not shown, accents without a letter."""
    return not any(category(character)[0] in "LNPS" and character != "\ufffd" for character in text)


def excerpt(text: str, length: int = EXCERPT) -> str:
    if len(text) <= length:
        return text
    third = length // 3
    middle = (len(text) - third) // 2
    return "\n".join((text[:third], text[middle : middle + third], text[-third:]))


class Asked:
    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def spaced(self) -> str:
        """With one space for every run of white space."""
        return " ".join(self.text.split())

    @cached_property
    def folded(self) -> str:
        """The spaced text in lower case, as keywords that ignore case are compared."""
        return fold_case(self.spaced)

    @cached_property
    def _ascii_words(self) -> list[bytes]:
        return ascii_words(self.folded)

    @cached_property
    def anchors(self) -> frozenset[bytes] | None:
        """What the anchors of keywords are looked up in; None for a text whose folding moved borders."""
        return frozenset(self._ascii_words) if borders_kept(self.spaced, self.folded) else None

    def occurrences(self, needle: str, pattern: Pattern[str], most: int = _MOST) -> int:
        """How often a keyword stands in the text, up to `most`. Plain search for the needle, which is some
        fifty times as fast as the keyword's expression, leads to the places where that is tried."""
        count, at = 0, self.folded.find(needle)
        if at < 0:
            return 0
        if not needle or len(self.folded) != len(self.spaced):  # a letter that folds into two
            return (
                int(pattern.search(self.text) is not None) if most == 1 else len(pattern.findall(self.text))
            )
        while at >= 0 and count < most:
            found = pattern.match(self.spaced, at)
            count += found is not None
            at = self.folded.find(needle, max(at + 1, found.end() if found else 0))
        return count

    @cached_property
    def excerpt(self) -> str:
        return excerpt(self.text)

    @cached_property
    def folded_excerpt(self) -> str:
        return fold_case(self.excerpt)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words of the folded excerpt in order; a run of Chinese or Japanese is one."""
        return _words(self.folded_excerpt)

    @cached_property
    def cased_words(self) -> tuple[str, ...]:
        return _words(self.excerpt)

    @cached_property
    def distinct(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def units(self) -> int:
        """Words, or characters of scripts that put no spaces between words."""
        return len(self._ascii_words if self.text.isascii() else _UNIT.findall(self.text))

    @cached_property
    def size(self) -> int:
        return len(self.text) if self.text.isascii() else len(self.text.encode("utf-8", "surrogatepass"))


def _words(text: str) -> tuple[str, ...]:
    pattern = _ASCII_WORD if text.isascii() and text.islower() else _WORD
    return tuple(word for word in pattern.findall(text) if len(word) <= _MAX_WORD or is_cjk(word))
