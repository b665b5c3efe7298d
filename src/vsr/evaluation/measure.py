"""Asks a bundle about every row and keeps what it said beside the truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.config.policy import PromptGuard
from vsr.encoder.manifest import AskHead
from vsr.evaluation.inputs import Inputs, Raw, annotated_types, by_source
from vsr.evaluation.metrics import Span
from vsr.evaluation.reading import Done, Judge, unwatched
from vsr.evaluation.results import Judged, Labelled, Pair, Results, Spanned
from vsr.facts import Entity, Facts, Readings
from vsr.guards.prompt import assess_prompt

Vectors = Sequence[NDArray[np.float32]]
Embed = Callable[[Sequence[str]], Vectors]


def measure(judge: Judge, inputs: Inputs, *, base: Embed | None = None, done: Done = unwatched) -> Results:
    """base: embeds texts with the untouched base model, to compare with."""

    def facts_of(rows: Sequence[Raw]) -> list[Facts]:
        return judge.texts([row["text"] for row in rows], done=done)

    of_domain, of_asks = facts_of(inputs.domain), facts_of(inputs.asks)
    heads = judge.bundle.manifest.heads
    feedback = partial(_feedback, heads.feedback)
    # a first question comments on nothing
    natural = [{**row, "feedback": "NONE", "source": "intent_dev-natural"} for row in inputs.domain]
    labelled = {
        "domain": _labelled(inputs.domain, "label", of_domain, _domain),
        "fact_check": _labelled(inputs.asks, "fact_check", of_asks, partial(_fact_check, heads.fact_check)),
        "feedback": _labelled(inputs.asks, "feedback", of_asks, feedback),
    }
    if labelled["feedback"]:
        ordinary = [i for i, row in enumerate(natural) if row.get("style") == "natural"]
        of_ordinary = [of_domain[i] for i in ordinary]
        labelled["feedback"] |= _labelled([natural[i] for i in ordinary], "feedback", of_ordinary, feedback)
    return Results(
        labelled={head: sources for head, sources in labelled.items() if sources},
        jailbreak=_judged(inputs.guard, facts_of(inputs.guard)),
        pii=_spanned(inputs.pii, facts_of(inputs.pii)),
        digits=_spanned(inputs.digits, facts_of(inputs.digits)),
        duplicates=_pairs(judge, inputs.pairs, base, done),
    )


def judged(facts: Facts, attack: bool) -> Judged:
    """As the prompt guard judges it with the default configuration."""
    finding = assess_prompt(facts, PromptGuard())
    return Judged(attack, finding.score, finding.threshold)


Said = tuple[str, dict[str, float]]
"""What production makes of the probabilities, and these; ("", {}) if there are none."""


def _domain(reading: Readings) -> Said:
    return _likeliest(reading.domain), dict(reading.domain)


def _fact_check(head: AskHead | None, reading: Readings) -> Said:
    value = reading.fact_check
    if head is None or value is None:
        return "", {}
    (other,) = (label for label in head.labels if label != head.positive)
    said = head.positive if value >= head.threshold else other
    return said, {head.positive: value, other: 1 - value}


def _feedback(head: AskHead | None, reading: Readings) -> Said:
    """The likeliest kind of feedback if feedback as such is as likely as the threshold asks."""
    found = dict(reading.feedback)
    if head is None or not found:
        return "", {}
    if 1 - found.get(head.negative, 1.0) < head.threshold:
        return head.negative, found
    return _likeliest({label: p for label, p in found.items() if label != head.negative}), found


def _likeliest(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda label: probabilities[label], default="")


def _labelled(
    rows: Sequence[Raw], key: str, facts: Sequence[Facts], say: Callable[[Readings], Said]
) -> dict[str, list[Labelled]]:
    """Rows without the label, and answers of heads that the bundle lacks, are left out."""
    table: dict[str, list[Labelled]] = defaultdict(list)
    for row, one in zip(rows, facts, strict=True):
        said, probabilities = say(one.readings or Readings())
        if row.get(key) and probabilities:
            table[row["source"]].append(Labelled(row[key], said, probabilities))
    return dict(sorted(table.items()))


def _judged(rows: Sequence[Raw], facts: Sequence[Facts]) -> dict[str, list[Judged]]:
    return {
        source: [judged(facts[i], rows[i]["label"] == "jailbreak") for i in members]
        for source, members in by_source(rows)
    }


def _spanned(rows: Sequence[Raw], facts: Sequence[Facts]) -> dict[str, list[Spanned]]:
    return {source: [_spans_of(rows[i], facts[i]) for i in members] for source, members in by_source(rows)}


def _spans_of(row: Raw, facts: Facts) -> Spanned:
    annotated = frozenset(row["check_only"]) if "check_only" in row else annotated_types(row["labels"])
    head = facts.readings.entities if facts.readings else ()
    return Spanned(
        truth=tuple(span for span in _outermost(_spans(row.get("spans") or ())) if span[2] in annotated),
        head=_of_types(head, annotated),
        served=_of_types(facts.entities, annotated),
        ignored=_spans(row.get("ignore_spans") or ()),
        annotated=annotated,
    )


def _of_types(entities: Sequence[Entity], types: frozenset[str]) -> tuple[Span, ...]:
    return tuple((one.start, one.end, one.type) for one in entities if one.type in types)


def _spans(raw: Sequence[Sequence[Any]]) -> tuple[Span, ...]:
    return tuple((int(start), int(end), str(kind)) for start, end, kind in raw)


def _outermost(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Of spans of one type within one another, which no list of findings can hold both, the longest."""

    def within(span: Span, other: Span) -> bool:
        return span != other and span[2] == other[2] and other[0] <= span[0] and span[1] <= other[1]

    return tuple(span for span in spans if not any(within(span, other) for other in spans))


def _pairs(judge: Judge, rows: Sequence[Raw], base: Embed | None, done: Done) -> dict[str, list[Pair]]:
    texts = sorted({row[side] for row in rows for side in ("a", "b")})
    ours = [one.readings.embedding if one.readings else None for one in judge.texts(texts, done=done)]
    theirs = base(texts) if base else None
    place = {text: i for i, text in enumerate(texts)}
    table: dict[str, list[Pair]] = {}
    for source, members in by_source(rows):
        table[source] = []
        for i in members:
            a, b = place[rows[i]["a"]], place[rows[i]["b"]]
            cosine = _cosine(ours[a], ours[b])
            known = _cosine(theirs[a], theirs[b]) if theirs is not None else None
            table[source].append(Pair(bool(rows[i]["label"]), cosine, known))
    return table


def _cosine(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    return 0.0 if a is None or b is None else float(np.dot(a, b))
