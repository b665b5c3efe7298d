"""Text to tokens: ids, where each stands in the text (in characters), and where words begin.

Nothing is cut off: a text of any length is tokenised whole, in chunks split where no word is.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from unicodedata import category

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer, Split
from tokenizers.pre_tokenizers import Sequence as InTurn

from vsr.encoder.failures import EncoderFailed
from vsr.encoder.wordpiece import Pieces, plain_wordpiece
from vsr.errors import BundleError

CHUNK = 2_048
"""Characters of a piece of text that is tokenised by one thread."""
AT_ONCE = 8
"""Chunks handed to the tokenizer together, which spreads them over the cores."""
SEARCH = 1_024
"""How far back a safe place to split is looked for before a word is split after all."""
LONGEST_WORD = 100
"""WordPiece makes one [UNK] of a longer run of letters, in which anything could hide."""
MOST_LETTERS = 3
"""What a character may be to WordPiece: Korean syllables are taken apart before letters are counted."""
STRANGERS = 65_536
"""Characters that are remembered as read or blanked."""
UNKNOWN = ("[UNK]", "<unk>")

SURROGATE = re.compile("[\ud800-\udfff]")
PUNCTUATION = frozenset(string.punctuation)
SYMBOLS = Regex(r"\p{S}")
SPELLED_OUT = re.compile("[a-z]{12}|[A-Z]{12}")
WORD = re.compile("[A-Z][a-z]{3,}|[a-z]{4,}|[A-Z]{4,}")
FEWEST_WORDS = 3
CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")

WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
FULL_WIDTH = {
    code: code - 0xFEE0
    for first, last in ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))
    for code in range(first, last + 1)
}
"""Full-width digits and letters as their ASCII twins, one for one. Chinese punctuation stays as it is."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The n tokens of one text: token i covers `text[starts[i]:ends[i]]`; `words[i]` says that it is
    the first piece of a word (a run of letters, a punctuation mark, a Chinese character)."""

    ids: Ints
    starts: Ints
    ends: Ints
    words: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


class TextTokenizer:
    """A `tokenizer.json`, without truncation, padding or special tokens; `specials` are what a window
    begins, ends and is padded with."""

    def __init__(self, path: Path, specials: tuple[str, str, str] = ("[CLS]", "[SEP]", "[PAD]")) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the library raises nothing more special
            raise BundleError(f"{path} is not a tokenizer: {type(error).__name__}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # what a client writes is text, whatever it spells
        self._tokenizer.encode_special_tokens = True
        self.cls, self.sep, self.pad = (self._special(token) for token in specials)
        unknown = self._tokenizer.token_to_id("[UNK]")
        self._unknown = -1 if unknown is None else int(unknown)
        added = self._tokenizer.get_added_tokens_decoder()
        self._controls = {number for number, token in added.items() if token.special}
        self._controls |= {self.cls, self.sep, self.pad}
        self._controls -= {self._tokenizer.token_to_id(token) for token in UNKNOWN}
        self._plain = plain_wordpiece(path)
        words = self._tokenizer.pre_tokenizer
        self._berts_words = isinstance(words, BertPreTokenizer) and bool(
            getattr(self._tokenizer.normalizer, "handle_chinese_chars", False)
        )
        self._strangers: _Strangers | None = None
        if isinstance(words, BertPreTokenizer) and isinstance(self._tokenizer.model, WordPiece):
            # else symbols would glue words together
            self._tokenizer.pre_tokenizer = InTurn([Split(SYMBOLS, "isolated"), words])
            self._strangers = _Strangers(self._is_stranger)

    def encode(self, text: str, stopped: Callable[[], bool] = lambda: False) -> Tokens:
        """Tokens of the whole text. For long texts call it in a thread: the interpreter lock is released
        for each AT_ONCE chunks, and `stopped` is asked before the next."""
        parts: list[Tokens] = []
        if not text.isascii() and WIDE.search(text):
            text = text.translate(FULL_WIDTH)
        chunks = _chunks(text)
        while group := list(islice(chunks, AT_ONCE)):
            if stopped():
                raise EncoderFailed("the request was given up")
            texts = [self._legible(text[start:end]) for start, end in group]
            plain = [self._plain.encode(chunk) if self._plain else None for chunk in texts]
            rest = [chunk for chunk, pieces in zip(texts, plain, strict=True) if pieces is None]
            encodings = iter(self._encodings(rest) if rest else ())
            for (start, _), chunk, pieces in zip(group, texts, plain, strict=True):
                if pieces is not None:
                    parts.append(_plain_tokens(pieces, start))
                else:
                    parts += self._parts(next(encodings), chunk, start)
        if len(parts) == 1:
            return parts[0]
        return Tokens(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.words for part in parts]),
        )

    def knows(self, word: str) -> bool:
        """Whether the vocabulary has the word whole, in lower case."""
        return self._tokenizer.token_to_id(word.lower()) is not None

    def _legible(self, text: str) -> str:
        """With a blank for every stranger, unless there is nothing else."""
        if self._strangers is None or text.isascii():
            return text
        legible = self._strangers.blanked(text)
        return text if legible.isspace() else legible

    def _is_stranger(self, character: str) -> bool:
        """Whether the vocabulary has it neither alone nor in a word, so that WordPiece would give up on the
        word it stands in. Rare Chinese characters and punctuation are words of their own, and stay."""
        if character.isascii() or (self._berts_words and "\u3400" <= character <= "\u9fff"):
            return False  # the bulk of them, without asking
        probes = [f"a{character}a"] if _is_border(character) else [character, f"a{character}a"]
        return any(encoding.ids == [self._unknown] for encoding in self._encodings(probes))

    def _parts(self, encoding: Encoding, text: str, shift: int) -> list[Tokens]:
        """Tokens of a chunk. Words given up on for their length alone are read in pieces."""
        tokens = self._tokens(encoding, text, shift)
        least = LONGEST_WORD // MOST_LETTERS
        lost = np.flatnonzero((tokens.ids == self._unknown) & (tokens.ends - tokens.starts > least))
        cuts: set[int] = set()
        for place in lost.tolist():
            start, end = int(tokens.starts[place]) - shift, int(tokens.ends[place]) - shift
            run = text[start:end]
            size = LONGEST_WORD if run.isascii() else least
            if len(run) > size and not self._is_code(run):
                cuts |= {*range(start, end, size), end}
        if not cuts:
            return [tokens]
        borders = list(pairwise(sorted(cuts | {0, len(text)})))
        texts = [text[start:end] for start, end in borders]
        return [
            self._tokens(encoding, part, shift + start)
            for (start, _), part, encoding in zip(borders, texts, self._encodings(texts), strict=True)
        ]

    def _tokens(self, encoding: Encoding, text: str, shift: int) -> Tokens:
        tokens = _tokens(encoding, shift)
        return tokens if self._berts_words else _as_bert(tokens, text, shift)

    def _encodings(self, texts: Sequence[str]) -> Sequence[Encoding]:
        try:
            encodings = self._encoded(texts)
        except (TypeError, UnicodeEncodeError):
            # half of a surrogate pair: legal in JSON, but not a character
            texts = [SURROGATE.sub("\ufffd", text) for text in texts]
            encodings = self._encoded(texts)
        return [self._as_text(encoding, text) for encoding, text in zip(encodings, texts, strict=True)]

    def _as_text(self, encoding: Encoding, text: str) -> Encoding:
        """Without control tokens: some vocabularies have them among the pieces of words. What spells one
        loses its last character."""
        if self._controls.isdisjoint(encoding.ids):
            return encoding
        covered = zip(encoding.ids, encoding.offsets, strict=True)
        lasts = {end - 1 for number, (_, end) in covered if number in self._controls}
        spoilt = "".join(" " if place in lasts else letter for place, letter in enumerate(text))
        return self._encoded([spoilt])[0]

    def _encoded(self, texts: Sequence[str]) -> Sequence[Encoding]:
        # `encode` is quicker for one short text; `encode_batch` uses all cores and lets other threads run
        if len(texts) == 1:
            return [self._tokenizer.encode(texts[0], add_special_tokens=False)]
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def _is_code(self, run: str) -> bool:
        """Hashes, keys, hexadecimal, base64: in pieces they look like nothing the heads were trained on. Text
        with digits in it has long stretches of letters, or words."""
        digits = sum(character.isdigit() for character in run)
        if not run.isascii() or digits <= len(run) / 20 or SPELLED_OUT.search(run):
            return False
        return sum(map(self.knows, WORD.findall(run))) < FEWEST_WORDS

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise BundleError(f"the tokenizer has no {token}")
        return int(number)


class _Strangers:
    """The characters that are to be blanked, each found out when it is first met."""

    def __init__(self, is_stranger: Callable[[str], bool]) -> None:
        self._is_stranger = is_stranger
        self._known: set[str] = set()
        self._blanks: dict[int, str] = {}

    def blanked(self, text: str) -> str:
        """With a blank for every stranger, one for one."""
        met = set(text) - self._known
        if not met:
            return text
        if len(self._known) + len(self._blanks) > STRANGERS:
            self._known.clear()
            self._blanks.clear()
        for character in met:
            if ord(character) not in self._blanks:
                if self._is_stranger(character):
                    self._blanks[ord(character)] = " "
                else:
                    self._known.add(character)
        return text.translate(self._blanks)


def is_cjk(character: str) -> bool:
    return CJK.match(character) is not None


def _tokens(encoding: Encoding, shift: int) -> Tokens:
    ids = np.array(encoding.ids, dtype=np.int32)
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2) + np.int32(shift)
    numbers = np.array(encoding.word_ids, dtype=np.int32)
    words = np.ones(len(ids), dtype=np.bool_)
    words[1:] = numbers[1:] != numbers[:-1]
    return Tokens(ids, offsets[:, 0], offsets[:, 1], words)


def _as_bert(tokens: Tokens, text: str, shift: int) -> Tokens:
    """With BERT's words instead of the tokenizer's own: cut at blanks, at punctuation and around Chinese
    characters. A blank that a token begins with is no part of it; one of blanks alone is a word."""
    starts, words = tokens.starts.copy(), np.ones(len(tokens), dtype=np.bool_)
    covered = zip((starts - shift).tolist(), (tokens.ends - shift).tolist(), strict=True)
    last = 0
    for place, (start, end) in enumerate(covered):
        first = end - len(text[start:end].lstrip())
        starts[place] = min(first, len(text) - 1) + shift
        # the bytes of a character are tokens that all have its place
        words[place] = first >= last and any(map(_is_border, text[max(0, last - 1) : first + 1]))
        last = max(last, end)
    words[:1] = True
    return Tokens(tokens.ids, starts, tokens.ends, words)


def _is_border(character: str) -> bool:
    marks = character in PUNCTUATION or category(character).startswith("P")
    return marks or character.isspace() or is_cjk(character)


def _plain_tokens(pieces: Pieces, shift: int) -> Tokens:
    columns = np.array((pieces.ids, pieces.starts, pieces.ends), dtype=np.int32)
    columns[1:] += np.int32(shift)
    ids, starts, ends = columns
    return Tokens(ids, starts, ends, np.array(pieces.words, dtype=np.bool_))


def _chunks(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > CHUNK:
        end = _safe_end(text, start + CHUNK)
        yield start, end
        start = end
    yield start, len(text)


def _safe_end(text: str, end: int) -> int:
    """A place at or before `end` where no word is. A punctuation mark is a word of its own: where there is
    no white space, as in compact JSON, it does not cut a number or a name."""
    for place in range(end, end - SEARCH, -1):
        if text[place - 1].isspace() or is_cjk(text[place - 1]):
            return place
    marks = (place for place in range(end, end - SEARCH, -1) if text[place - 1] in PUNCTUATION)
    return next(marks, end)
