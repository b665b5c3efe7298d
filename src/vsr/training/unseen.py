"""Rows that are kept from the trunk, for the heads that `refit` fits to what it makes of the unknown.

`prompts/feedback_unseen.txt` is a list like `feedback.txt`. `prompts/guard_unseen.txt` holds attacks and
harmless texts that look like them, each in its own words: `[PART attack|harmless LANG]` heads a section,
`\\n` ends a line within a text. A language model wrote both, asked for variety and shown nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

from vsr.training.asks import ENDINGS, OPENINGS, framed, labelled, paired_rows
from vsr.training.rows import Row

JAILBREAK = {"attack": "jailbreak", "harmless": "benign"}


def unseen(seed: int, per_phrasing: int = 3) -> Iterator[Row]:
    """Feedback, `per_phrasing` variants of every phrasing and language, then attacks and harmless texts."""
    chance = random.Random(seed)
    for label, pair in labelled("feedback_unseen.txt"):
        for number in range(per_phrasing):
            made = framed(chance, pair, OPENINGS[label], ENDINGS[label]) if number else pair
            for row in paired_rows(made, pair, "unseen", label):
                yield replace(row, feedback=label, jailbreak=None, anchor=None)
    yield from _guard()


def _guard() -> Iterator[Row]:
    heading = ["", "", ""]
    text = files("vsr.training").joinpath("prompts", "guard_unseen.txt").read_text(encoding="utf-8")
    for number, line in enumerate(text.split("\n")):
        if line.startswith("[") and line.endswith("]") and line[1].isdigit():
            heading = line[1:-1].split()
        elif line and not line.startswith("#"):
            part, kind, lang = heading
            yield Row(
                text=line.replace("\\n", "\n"),
                source=f"generated-unseen-{kind}-{lang}",
                license="own",
                group=f"unseen:{number}",
                lang=lang,
                stratum=f"unseen/{part}/{lang}/{kind}",
                jailbreak=JAILBREAK[kind],
            )
