"""Regular expressions of a configuration: keywords as whole words, and patterns written by the operator.

A keyword ends where a word ends, in scripts that put spaces between words. Chinese, Japanese and Thai
do not, and Korean joins particles to words, so there a keyword matches anywhere, and so it does beside
such a character (用Python写).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from re import Pattern
from typing import Any, Final

import re2

MAX_PATTERN: Final = 2000
MOST_COUNTED: Final = 10_000

# Latin, Greek, Cyrillic, Hebrew, Arabic and the scripts of India. The borders below are written as a choice
# of two tests because one class with a negated \w takes milliseconds to compile.
_SPACED: Final = r"[\x00-\u0dff\u1e00-\u1fff]"
_BEFORE: Final = rf"(?:(?<!\w)|(?<!{_SPACED}))"
_AFTER: Final = rf"(?:(?!\w)|(?!{_SPACED}))"
_SPACED_WORD: Final = re.compile(rf"(?={_SPACED})\w")
_KELVIN: Final = "\u212a"
_BORDERS: Final = bytes(code if chr(code).isalnum() or code == 95 else 32 for code in range(128)) + b" " * 128


def keyword_pattern(keyword: str, case_sensitive: bool) -> Pattern[str]:
    """Any run of white space in the keyword stands for any run of white space in the text."""
    body = r"\s+".join(re.escape(word) for word in keyword.split())
    before = _BEFORE if _SPACED_WORD.match(keyword) else ""
    after = _AFTER if _SPACED_WORD.match(keyword[-1]) else ""
    # The flag stands around the keyword only: folding the case of a class takes milliseconds too.
    return re.compile(before + (body if case_sensitive else f"(?i:{body})") + after)


def fold_case(text: str) -> str:
    """Lower case as the matcher folds it, which also takes these three for an s and an i."""
    folded = text.lower()
    if folded.isascii():
        return folded
    return folded.replace("\u017f", "s").replace("\u0131", "i").replace("\u0307", "")


def needle(keyword: str) -> str:
    """What stands in folded text with single spaces wherever the keyword's pattern matches there."""
    return fold_case(" ".join(keyword.split()))


def ascii_words(folded: str) -> list[bytes]:
    """The runs of ASCII letters, digits and underscores; any other character parts them."""
    return folded.encode("utf-8", "surrogatepass").translate(_BORDERS).split()


def borders_kept(spaced: str, folded: str) -> bool:
    """Whether words in the folded text begin and end where the borders of a keyword's pattern are. The
    Kelvin sign is no letter of theirs and folds into one; a dot above parts words and is dropped."""
    return len(spaced) == len(folded) and _KELVIN not in spaced


def anchor(keyword: str) -> bytes:
    """The longest of the `ascii_words` that a text must hold for the keyword's pattern to match it, if its
    `borders_kept`; empty if there is none."""
    if keyword != keyword.strip() or _KELVIN in keyword:  # its pattern has no border there
        return b""
    return max(ascii_words(needle(keyword)), key=len, default=b"")


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression as the operator wrote it, in RE2's syntax as in the original. The time of a search
    grows with the text alone, while whoever writes a prompt could stop Python's matcher with `(a+)+` or
    `<.*>`.

    compiled: from bytes, which may hold what is no UTF-8.
    """

    text: str
    case_sensitive: bool
    compiled: Any = field(compare=False, repr=False)

    def search(self, text: str) -> bool:
        return self.compiled.search(_bytes(text)) is not None

    def fullmatch(self, text: str) -> bool:
        return self.compiled.fullmatch(_bytes(text)) is not None

    def count(self, text: str) -> int:
        """Matches that do not overlap and are not empty, at most MOST_COUNTED. Each is a search of its own,
        so the caller bounds the text."""
        matches = islice(self.compiled.finditer(_bytes(text)), MOST_COUNTED)
        return sum(found.end() > found.start() for found in matches)


def raw_pattern(text: str, case_sensitive: bool = True) -> Expression:
    """Raises ValueError with a reason: syntax or length."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.case_sensitive = case_sensitive
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except UnicodeEncodeError:
        raise ValueError("is not a regular expression: it holds half a character") from None
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise ValueError(f"is not a regular expression in RE2's syntax: {reason}") from error
    return Expression(text, case_sensitive, compiled)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
