"""Prompts of an exact number of tokens, all distinct, the same for the same seed.

Words are drawn from the bundle's own vocabulary, English and Chinese mixed, each one token long. They
make no sense on purpose: the encoder's work depends on length only, and no prompt repeats a window of
another, so that the memo stays cold.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from tokenizers import Tokenizer

from vsr.encoder.bundle import TOKENIZER, default_bundle_path

_WORD = re.compile(r"[a-z]{3,}|[\u4e00-\u9fff]")
_CHINESE_SHARE = 0.2


class PromptMaker:
    def __init__(self, seed: int, tokenizer: Path | None = None) -> None:
        self._random = random.Random(seed)
        self._tokenizer = Tokenizer.from_file(str(tokenizer or default_bundle_path() / TOKENIZER))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        words = sorted(word for word in self._tokenizer.get_vocab() if _WORD.fullmatch(word))
        self._english = [word for word in words if word.isascii()]
        self._chinese = [word for word in words if not word.isascii()]

    def make(self, tokens: int) -> str:
        """A prompt of exactly that many content tokens."""
        words = [self._word() for _ in range(tokens)]
        while (count := self.count(" ".join(words))) != tokens:
            words = words[:-1] if count > tokens else [*words, self._word()]
        return " ".join(words)

    def count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _word(self) -> str:
        chinese = self._chinese and self._random.random() < _CHINESE_SHARE
        return self._random.choice(self._chinese if chinese else self._english)
