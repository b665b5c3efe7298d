"""Text to tokens: ids, where each stands in the text (in characters), and where words begin.

Nothing is cut off: a text of any length is tokenised whole, in chunks split where no word is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from vsr.encoder.failures import EncoderFailed
from vsr.errors import BundleError

CHUNK = 16_384
"""Characters tokenised at a time."""
SEARCH = 1_024
"""How far back a safe place to split is looked for before a word is split after all."""
LONGEST_WORD = 100
"""WordPiece makes one [UNK] of a longer run of letters, in which anything could hide."""

SURROGATE = re.compile("[\ud800-\udfff]")
CJK = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")

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
        self.cls, self.sep, self.pad = (self._special(token) for token in specials)
        unknown = self._tokenizer.token_to_id("[UNK]")
        self._unknown = -1 if unknown is None else int(unknown)

    def encode(self, text: str, stopped: Callable[[], bool] = lambda: False) -> Tokens:
        """Tokens of the whole text. For long texts call it in a thread: the interpreter lock is
        released for each chunk, and `stopped` is asked between two."""
        parts = []
        for start, end in _chunks(text):
            if stopped():
                raise EncoderFailed("the request was given up")
            parts += self._parts(text[start:end], start)
        if len(parts) == 1:
            return parts[0]
        return Tokens(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.words for part in parts]),
        )

    def _parts(self, text: str, shift: int) -> list[Tokens]:
        """Tokens of a chunk. Words given up on for their length alone are read in pieces."""
        tokens = _tokens(self._encoding(text), shift)
        lost = np.flatnonzero((tokens.ids == self._unknown) & (tokens.ends - tokens.starts > LONGEST_WORD))
        cuts: set[int] = set()
        for place in lost.tolist():
            start, end = int(tokens.starts[place]) - shift, int(tokens.ends[place]) - shift
            if not _is_code(text[start:end]):
                cuts |= {*range(start, end, LONGEST_WORD), end}
        if not cuts:
            return [tokens]
        borders = pairwise(sorted(cuts | {0, len(text)}))
        return [_tokens(self._encoding(text[start:end]), shift + start) for start, end in borders]

    def _encoding(self, text: str) -> Encoding:
        try:
            return self._encoded(text)
        except (TypeError, UnicodeEncodeError):
            # half of a surrogate pair: legal in JSON, but not a character
            return self._encoded(SURROGATE.sub("\ufffd", text))

    def _encoded(self, text: str) -> Encoding:
        # `encode` is quicker for one short text, `encode_batch` lets other threads run
        if len(text) < CHUNK // 4:
            return self._tokenizer.encode(text, add_special_tokens=False)
        return self._tokenizer.encode_batch([text], add_special_tokens=False)[0]

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise BundleError(f"the tokenizer has no {token}")
        return int(number)


def is_cjk(character: str) -> bool:
    return CJK.match(character) is not None


def _is_code(run: str) -> bool:
    """Hashes, keys, hexadecimal, base64: in pieces they look like nothing the heads were trained on. What
    they say, if they say something, is decoded elsewhere."""
    return sum(character.isdigit() for character in run) > len(run) / 20


def _tokens(encoding: Encoding, shift: int) -> Tokens:
    ids = np.array(encoding.ids, dtype=np.int32)
    offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2) + np.int32(shift)
    numbers = np.array(encoding.word_ids, dtype=np.int32)
    words = np.ones(len(ids), dtype=np.bool_)
    words[1:] = numbers[1:] != numbers[:-1]
    return Tokens(ids, offsets[:, 0], offsets[:, 1], words)


def _chunks(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while len(text) - start > CHUNK:
        end = _safe_end(text, start + CHUNK)
        yield start, end
        start = end
    yield start, len(text)


def _safe_end(text: str, end: int) -> int:
    for place in range(end, end - SEARCH, -1):
        if text[place - 1].isspace() or is_cjk(text[place - 1]):
            return place
    return end
