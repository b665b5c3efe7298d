"""Rows that are kept from the trunk, for the heads that `refit` fits to what it makes of the unknown.

`prompts/feedback_unseen.txt` is a list like `feedback.txt`, `prompts/guard_unseen.txt` one like the guard's
of `written.py`. A language model wrote both, asked for variety and shown nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from vsr.training.asks import ENDINGS, OPENINGS, framed, labelled, paired_rows
from vsr.training.rows import Row
from vsr.training.written import guard_texts


def unseen(seed: int, per_phrasing: int = 3) -> Iterator[Row]:
    """Feedback, `per_phrasing` variants of every phrasing and language, then attacks and harmless texts."""
    chance = random.Random(seed)
    for label, pair in labelled("feedback_unseen.txt"):
        for number in range(per_phrasing):
            made = framed(chance, pair, OPENINGS[label], ENDINGS[label]) if number else pair
            for row in paired_rows(made, pair, "unseen", label):
                yield replace(row, feedback=label, jailbreak=None, anchor=None)
    for row, part in guard_texts("guard_unseen.txt"):
        yield replace(row, stratum=f"unseen/{part}/{row.lang}/{row.jailbreak}")
