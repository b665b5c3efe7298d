"""Rows of prompt × model outcome, for training and measuring selectors.

One JSON object a line: `prompt` and `correct` (model → 0 to 1) are needed; `id`, `category`, `subject` and
`source` are used if they are there. Rows of one group (subject, or the same prompt) never stand on both
sides of a split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vsr.errors import SelectorError

_STEM: Final = re.compile(r"\n\s*\(?A[.)]\s")
_NO_WORD: Final = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Row:
    prompt: str
    correct: Mapping[str, float]
    category: str = ""
    subject: str = ""
    source: str = ""

    @property
    def normalised(self) -> str:
        """The question without options, case and punctuation: equal for copies of one question."""
        return _NO_WORD.sub(" ", _STEM.split(self.prompt, maxsplit=1)[0].lower()).strip()


def read_outcomes(path: Path) -> list[Row]:
    """Raises SelectorError with the line that is wrong. Blank lines are none."""
    rows = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_row(line, f"{path}:{number}"))
    except OSError as error:
        raise SelectorError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SelectorError(f"{path}: is not UTF-8") from None
    if not rows:
        raise SelectorError(f"{path}: has no rows")
    return rows


def _row(line: str, where: str) -> Row:
    try:
        fields = json.loads(line)
        correct = {str(name): float(value) for name, value in fields["correct"].items()}
        row = Row(
            _text(fields, "prompt"),
            correct,
            _text(fields, "category"),
            _text(fields, "subject"),
            _text(fields, "source"),
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        raise SelectorError(f'{where}: must be {{"prompt": "...", "correct": {{"MODEL": 0 or 1}}}}') from None
    if not row.prompt.strip() or not correct or not all(0 <= value <= 1 for value in correct.values()):
        raise SelectorError(f"{where}: needs a prompt and outcomes between 0 and 1")
    return row


def _text(fields: Mapping[str, Any], key: str) -> str:
    """Empty where there is none, or null."""
    value = fields.get(key)
    return "" if value is None else str(value)


def model_names(rows: Sequence[Row], excluded: Iterable[str] = ()) -> tuple[str, ...]:
    names = {name: None for row in rows for name in row.correct}
    return tuple(name for name in names if name not in set(excluded))


def outcome_table(rows: Sequence[Row], models: Sequence[str]) -> NDArray[np.float32]:
    """Shape (rows, models), NaN where an outcome is not known."""
    return np.array([[row.correct.get(name, np.nan) for name in models] for row in rows], dtype=np.float32)


def groups(rows: Sequence[Row]) -> NDArray[np.int64]:
    """A number a row, the same for rows of one subject, else of one question."""
    names = [row.subject or row.normalised for row in rows]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], dtype=np.int64)
