"""The base model's WordPiece vocabulary, extended by the Chinese characters of the training data.

The base knows 244 of them and reads the rest as [UNK]. New characters become ordinary vocabulary
entries (not "added tokens", which the normaliser and the pre-tokenizer would treat differently).
The embeddings of the new rows are learnt elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vsr.training.replacing import replacing

_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
"""The blocks that BertNormalizer splits into single characters and that Chinese text uses."""


def is_ideograph(character: str) -> bool:
    code = ord(character)
    return any(first <= code <= last for first, last in _IDEOGRAPHS)


def new_characters(texts: Iterable[str], known: Iterable[str], minimum: int = 2) -> list[str]:
    """Ideographs seen at least `minimum` times that `known` lacks, in code point order."""
    counts = Counter(character for text in texts for character in text if is_ideograph(character))
    present = set(known)
    return sorted(c for c, n in counts.items() if n >= minimum and c not in present)


def extend_tokenizer(source: Path, characters: Iterable[str], target: Path) -> int:
    """Write `source` (a tokenizers file) with `characters` appended to its vocabulary.

    Truncation and padding are dropped: windows are cut and batches padded by who reads. Returns the
    size of the new vocabulary.
    """
    document: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = document["model"]["vocab"]
    for character in characters:
        vocabulary.setdefault(character, len(vocabulary))
    document["truncation"] = None
    document["padding"] = None
    with replacing(target) as part:
        part.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return len(vocabulary)


def vocabulary_of(tokenizer: Path) -> dict[str, int]:
    document: dict[str, Any] = json.loads(tokenizer.read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = document["model"]["vocab"]
    return vocabulary
