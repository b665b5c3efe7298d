"""Small development files of every kind, in the shape of the real ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "intent_dev": [
        {"text": f"the algebra word {i}", "label": "math", "source": "exam", "style": "exam"}
        for i in range(4)
    ]
    + [
        {"text": f"a poem {i}", "label": "other", "source": "natural-en", "style": "natural"}
        for i in range(3)
    ],
    "jailbreak_dev": [
        {"text": "attack bypass", "label": "jailbreak", "source": "XSafety-zh/one"},
        {"text": "the word", "label": "benign", "source": "XSafety-zh/two"},
    ],
    "benign_hard_dev": [{"text": "other word", "label": "benign", "source": "hard"}],
    "harmful_direct_dev": [{"text": "a word", "label": "harmful_direct", "source": "direct"}],
    "pii_dev": [
        {"text": "john smith", "spans": [[0, 10, "PERSON"]], "labels": "PERSON", "source": "dialogue"},
        {"text": "the word", "spans": [], "labels": "PERSON", "source": "dialogue"},
    ],
    "pii_unit_dev": [
        {
            "text": "4111111111111111",
            "spans": [[0, 16, "CREDIT_CARD"]],
            "labels": "CREDIT_CARD unit case",
            "source": "tests/credit_card",
        }
    ],
    "pii_negatives_dev": [
        {"text": "1 + 2 = 3", "spans": [], "check_only": ["PHONE_NUMBER"], "source": "neg:sums"}
    ],
    "dup_pairs_dev": [
        {"a": "the word", "b": "a word", "label": 1, "source": "pairs"},
        {"a": "the word", "b": "algebra", "label": 0, "source": "pairs"},
        {"a": "the word", "b": "algebra", "label": 0, "source": "of one kind"},
    ],
}


def write_files(folder: Path) -> Path:
    for name, rows in FILES.items():
        write_lines(folder / f"{name}.jsonl", rows)
    return folder


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path
