"""Rows as numbers: token ids, labels and tags, cut to a window; and the order they are drawn in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, JAILBREAK, PII_TYPES, TAGS
from vsr.training.rows import Row, Span

NOTHING = -100
"""The label of what is not trained on."""

TASKS = (
    "dictionary",
    "generated",
    "natural",
    "request",
    "exam",
    "guard",
    "pii",
    "asks",
    "feedback",
    "unseen",
)
"""unseen: kept from the trunk, for the head that `refit` fits."""

LONGEST = {
    "dictionary": 32,
    "generated": 48,
    "natural": 126,
    "request": 126,
    "exam": 80,
    "guard": 126,
    "pii": 126,
    "asks": 48,
    "feedback": 48,
    "unseen": 48,
}
"""Content tokens per task. Longer texts cost time in proportion and teach domain little."""

INDIRECT_TOKENS = 224
"""An injection inside a document must not be cut off its positive row, nor its clean twin's; of a document
that is longer nobody knows whether the injection is in what is left, so it says nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """One window. free: which tags a token marked O may still carry (types nobody annotated)."""

    ids: NDArray[np.int32]
    task: str
    domain: int
    jailbreak: int
    anchor: int
    fact_check: int
    feedback: int
    tags: NDArray[np.int16] | None
    free: NDArray[np.bool_] | None


def task_of(row: Row) -> str:
    first = row.stratum.split("/")[0]
    return first if first in TASKS else "guard"


def examples(
    tokenizer: Tokenizer, rows: Sequence[Row], anchors: Mapping[str, int], seed: int
) -> list[Example]:
    """One example per row, in order."""
    chance = random.Random(seed)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    made = []
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        encodings = tokenizer.encode_batch([row.text[:8000] for row in part])
        made += [_example(r, e, anchors, chance) for r, e in zip(part, encodings, strict=True)]
    return made


def draw(examples: Sequence[Example], rows: Sequence[Row], budget: Mapping[str, int], seed: int) -> list[int]:
    """Indices of one pass: about `budget[task]` of every task, strata by square root of their size, and
    domains, in either language, by square root of their strata.

    Every row is drawn its expected number of times, rounded by chance, so no row is drawn twice
    before its stratum's share asks for it.
    """
    chance = np.random.default_rng(seed)
    sizes = Counter(row.stratum for row in rows)
    weights = np.array([sizes[row.stratum] ** -0.5 for row in rows])
    labels = [(e.task, r.lang if r.domain else "", r.domain) for e, r in zip(examples, rows, strict=True)]
    totals: Counter[tuple[str, str, str | None]] = Counter()
    for label, weight in zip(labels, weights, strict=True):
        totals[label] += weight
    weights *= np.array([totals[label] ** -0.5 for label in labels])
    drawn: list[int] = []
    for task, count in budget.items():
        members = np.array([i for i, e in enumerate(examples) if e.task == task])
        if not len(members):
            continue
        expected = count * weights[members] / weights[members].sum()
        times = np.floor(expected + chance.random(len(members))).astype(int)
        drawn += np.repeat(members, times).tolist()
    return drawn


def batches(
    examples: Sequence[Example], drawn: Sequence[int], tokens: int, texts: int, seed: int
) -> list[list[int]]:
    """Batches of similar length, at most `tokens` with padding and `texts`, in random order."""
    chance = random.Random(seed)
    order = sorted(drawn, key=lambda i: (len(examples[i].ids), chance.random()))
    made: list[list[int]] = [[]]
    for index in order:
        if (len(made[-1]) + 1) * len(examples[index].ids) > tokens or len(made[-1]) == texts:
            made.append([])
        made[-1].append(index)
    chance.shuffle(made)
    return [batch for batch in made if batch]


def tags_of(offsets: Sequence[tuple[int, int]], spans: Sequence[Span], ignored: Sequence[Span]) -> list[int]:
    """BIO tags of tokens at character `offsets`; tokens that touch an ignored span are NOTHING."""
    tags = []
    previous: Span | None = None
    for start, end in offsets:
        span = next((s for s in spans if start < s[1] and end > s[0]), None)
        if span is not None:
            tags.append(1 + 2 * PII_TYPES.index(span[2]) + (span is previous))
        elif any(start < s[1] and end > s[0] for s in ignored):
            tags.append(NOTHING)
        else:
            tags.append(0)
        previous = span
    return tags


def free_tags(annotated: Sequence[str]) -> NDArray[np.bool_]:
    """True for O and for the tags of types that are not annotated."""
    return np.array([tag == "O" or tag[2:] not in annotated for tag in TAGS])


def _example(row: Row, encoding: Encoding, anchors: Mapping[str, int], chance: random.Random) -> Example:
    task = task_of(row)
    start, stop = _window(row, task, len(encoding.ids) - 2, chance)
    inside = slice(1 + start, 1 + stop)
    ids = [encoding.ids[0], *encoding.ids[inside], encoding.ids[-1]]
    whole = stop - start == len(encoding.ids) - 2
    jailbreak = None if _is_inside(row) and not whole else row.jailbreak
    tags = None
    if row.annotated is not None:
        tags = np.array(
            [NOTHING, *tags_of(encoding.offsets[inside], row.spans, row.ignored), NOTHING], np.int16
        )
    return Example(
        ids=np.array(ids, np.int32),
        task=task,
        domain=NOTHING if row.domain is None else DOMAINS.index(row.domain),
        jailbreak=NOTHING if jailbreak is None else JAILBREAK.index(jailbreak),
        anchor=anchors.get(row.anchor, NOTHING) if row.anchor and whole else NOTHING,
        fact_check=NOTHING if row.fact_check is None else FACT_CHECK.index(row.fact_check),
        feedback=NOTHING if row.feedback is None else FEEDBACK.index(row.feedback),
        tags=tags,
        free=None if row.annotated is None else free_tags(row.annotated),
    )


def without_cut_attacks(tokenizer: Tokenizer, rows: Sequence[Row], tokens: int) -> list[Row]:
    """The rows but attacks inside documents of more than `tokens` tokens: what is read of such a document
    may hold nothing of the attack."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    inside = [place for place, row in enumerate(rows) if _is_inside(row)]
    encodings = tokenizer.encode_batch([rows[place].text for place in inside], add_special_tokens=False)
    cut = {place for place, encoding in zip(inside, encodings, strict=True) if len(encoding.ids) > tokens}
    return [row for place, row in enumerate(rows) if place not in cut]


def _is_inside(row: Row) -> bool:
    return row.jailbreak == "jailbreak" and "indirect" in row.stratum


def _window(row: Row, task: str, tokens: int, chance: random.Random) -> tuple[int, int]:
    """Where to cut: benign guard texts anywhere, since the server reads windows; others at the start."""
    longest = LONGEST[task]
    if "indirect" in row.stratum or "with_context" in row.stratum:
        longest = INDIRECT_TOKENS
    start = 0
    if task == "guard" and row.jailbreak == "benign" and tokens > longest:
        start = chance.randrange(tokens - longest + 1)
    return start, min(tokens, start + longest)
