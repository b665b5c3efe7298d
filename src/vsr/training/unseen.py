"""Rows that are kept from the trunk, for the heads that `refit` fits to what it makes of the unknown.

`prompts/feedback_unseen.txt` is a list like `feedback.txt`, `prompts/guard_unseen.txt` one like the guard's
of `written.py`. A line of `prompts/documents_unseen.txt` is a document with a hole, a sentence that speaks to
the model and one that speaks to people, with a tab between. A language model wrote all three, asked for
variety and shown nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from vsr.training.asks import ENDINGS, OPENINGS, framed, labelled, paired_rows
from vsr.training.joined import about_tokens
from vsr.training.rows import Row
from vsr.training.written import guard_texts, sections

HOLE = "{}"
LONGEST = 90
"""About so many tokens of a document, as `about_tokens` counts: what `refit` reads of a text holds them."""
CUT = 8
"""Characters that are cut off at once."""


def unseen(seed: int, per_phrasing: int = 3) -> Iterator[Row]:
    """Feedback, `per_phrasing` variants of every phrasing and language, then attacks and harmless texts, and
    documents that hold one or the other."""
    chance = random.Random(seed)
    for label, pair in labelled("feedback_unseen.txt"):
        for number in range(per_phrasing):
            made = framed(chance, pair, OPENINGS[label], ENDINGS[label]) if number else pair
            for row in paired_rows(made, pair, "unseen", label):
                yield replace(row, feedback=label, jailbreak=None, anchor=None)
    for row, part in guard_texts("guard_unseen.txt"):
        yield replace(row, stratum=f"unseen/{part}/{row.lang}/{row.jailbreak}")
    yield from _documents(chance)


def _documents(chance: random.Random) -> Iterator[Row]:
    """Two of each document, which differ in a sentence."""
    for number, _, lang, line in sections("documents_unseen.txt"):
        document, *said = line.split("\t")
        before, after = _around(document, max(map(about_tokens, said)), chance)
        for sentence, label in zip(said, ("jailbreak", "benign"), strict=True):
            yield Row(
                text=before + sentence + after,
                source=f"generated-unseen-document-{lang}",
                license="own",
                group=f"documents_unseen:{number}",
                lang=lang,
                stratum=f"unseen/document/{lang}/{label}",
                jailbreak=label,
            )


def _around(document: str, tokens: int, chance: random.Random) -> tuple[str, str]:
    """What stands before and after the hole, cut at its ends until LONGEST holds it with so many tokens."""
    before, after = document.split(HOLE)
    while (kept := len(before) + len(after)) and about_tokens(before + after) + tokens > LONGEST:
        if chance.random() * kept < len(before):
            before = before[CUT:]
        else:
            after = after[:-CUT]
    return before, after
