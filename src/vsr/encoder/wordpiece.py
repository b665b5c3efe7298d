"""WordPiece for plain text, several times quicker than the library, which aligns every character.

Plain is printable ASCII with Chinese characters and punctuation, where BERT's normalisation does no more
than lower letters. Anything else is declined and left to the library; for what is not declined, tokens
and offsets are the library's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
LONGEST = 32
"""A longer run of letters that is no word of the vocabulary is left to the library: cutting it up takes
time that grows with its square."""
UNSEEN = -1
_MARKS = r"!-/:-@\[-`{-~，。！？；：、“”‘’（）《》【】…"
_PLAIN = re.compile(rf"[\t\n\r 0-9A-Za-z\u4e00-\u9fff{_MARKS}]*")
_WORD = re.compile(rf"[0-9A-Za-z]+|[\u4e00-\u9fff{_MARKS}]")


@dataclass(slots=True)
class Pieces:
    """Tokens of a text, as `tokens.Tokens` has them."""

    ids: list[int]
    starts: list[int]
    ends: list[int]
    words: list[bool]


class PlainWordPiece:
    def __init__(self, vocabulary: Mapping[str, int], unknown: int) -> None:
        self._whole = {piece: number for piece, number in vocabulary.items() if not piece.startswith("##")}
        self._rest = {piece[2:]: number for piece, number in vocabulary.items() if piece.startswith("##")}
        self._unknown = unknown
        self._longest = max(map(len, vocabulary), default=0)

    def encode(self, text: str) -> Pieces | None:
        """None if the library must read it."""
        if not _PLAIN.fullmatch(text):
            return None
        lowered = text.lower()
        words = _WORD.findall(lowered)
        starts = [match.start() for match in _WORD.finditer(lowered)]
        ids = [self._whole.get(word, UNSEEN) for word in words]
        ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
        found = Pieces(ids, starts, ends, [True] * len(ids))
        return found if UNSEEN not in ids else self._in_pieces(words, found)

    def _in_pieces(self, words: Sequence[str], whole: Pieces) -> Pieces | None:
        """With the words cut up that are not in the vocabulary."""
        found = Pieces([], [], [], [])
        for word, number, start, end in zip(words, whole.ids, whole.starts, whole.ends, strict=True):
            if number != UNSEEN:
                found.ids.append(number)
                found.starts.append(start)
                found.ends.append(end)
                found.words.append(True)
            elif len(word) > LONGEST:
                return None
            else:
                self._cut(word, start, found)
        return found

    def _cut(self, word: str, start: int, found: Pieces) -> None:
        """The longest piece first, then the longest of the rest; all of it is unknown if one piece is."""
        ids: list[int] = []
        cuts = [0]
        table = self._whole
        while cuts[-1] < len(word):
            begin = cuts[-1]
            end = min(len(word), begin + self._longest)
            while (number := table.get(word[begin:end])) is None:
                end -= 1
                if end == begin:
                    ids, cuts = [self._unknown], [0, len(word)]
                    break
            else:
                ids.append(number)
                cuts.append(end)
                table = self._rest
        found.ids += ids
        found.starts += [start + cut for cut in cuts[:-1]]
        found.ends += [start + cut for cut in cuts[1:]]
        found.words += [True, *[False] * (len(ids) - 1)]


def plain_wordpiece(path: Path) -> PlainWordPiece | None:
    """For a `tokenizer.json`; None if it is no uncased BERT's. Control words such as [SEP] are text."""
    document = json.loads(path.read_text(encoding="utf-8"))
    model = document["model"]
    settled = (
        model.get("type") == "WordPiece"
        and model.get("continuing_subword_prefix") == "##"
        and document.get("normalizer") == NORMALIZER
        and document.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
        and model.get("unk_token") in model["vocab"]
    )
    if not settled or not all(token["special"] for token in document.get("added_tokens", ())):
        return None
    return PlainWordPiece(model["vocab"], model["vocab"][model["unk_token"]])
