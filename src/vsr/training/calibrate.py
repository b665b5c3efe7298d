"""Fits what turns logits into decisions: temperatures, operating points, PII thresholds.

Uses the held-out groups of the training sources and, for false positives only, the natural rows of
`intent_dev`. A maximum over many windows is riskier than one window's value, so each operating point
is fitted on benign texts of its own length, made by joining held-out ones of people, not of generators.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from vsr.errors import EvaluationError
from vsr.evaluation.inputs import json_lines
from vsr.evaluation.metrics import SpanCount, threshold_at
from vsr.evaluation.reading import Judge
from vsr.facts import Readings, Role
from vsr.training.bundle import WINDOW_STRIDE, WINDOW_TOKENS, Calibration, OperatingPoint, Output, softmax
from vsr.training.engine import Engine
from vsr.training.examples import free_tags, tags_of, task_of, without_cut_attacks
from vsr.training.joined import FEWEST_TEXTS, about_tokens, is_hard, of_people, sources_of
from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, PII_TYPES
from vsr.training.prepare import HELD_SHARE
from vsr.training.rows import Row, read_rows

T = TypeVar("T")

TARGET = 0.01
HARD_TARGET = 0.05
"""Texts full of trigger words may alarm this often; ordinary ones at most TARGET."""
FEEDBACK_TARGET = 0.02
"""So many ordinary first questions may be taken for feedback."""
LENGTHS = ((2, 1200), (4, 1200), (8, 600), (16, 300), (64, 100), (128, 60), (350, 40))
"""Windows in a long benign text, and how many such texts: of short ones enough that the share of 1 % does
not hang on the draw, of long ones what time allows. 350 windows are 32 k tokens."""
LOOSEST = 0.3
"""PII spans below this are never looked at; the search for thresholds starts here."""
GRID = tuple(round(0.3 + 0.05 * step, 2) for step in range(14))
FEWEST_SPANS = 10


def temperatures(folder: Path, work: Path) -> Calibration:
    """Temperatures by held-out likelihood; thresholds stay loose."""
    rows = list(read_rows(work / "held.jsonl"))
    engine = Engine(folder, tokens=WINDOW_TOKENS)
    domain = _sample([r for r in rows if r.domain], 2400)
    of_guard_task = [r for r in rows if r.jailbreak and task_of(r) == "guard"]
    guard = _sample(without_cut_attacks(engine.tokenizer, of_guard_task, WINDOW_TOKENS), 1600)
    pii = _sample([r for r in rows if r.spans], 900)
    facts = _sample([r for r in rows if r.fact_check], 1600)
    feedback = _feedback_rows(rows)
    of_domain = engine.run([r.text for r in domain])
    of_guard = engine.run([r.text for r in guard])
    return Calibration(
        domain_temperature=fit_temperature(
            np.stack([o.domain for o in of_domain]), [DOMAINS.index(r.domain or "") for r in domain]
        ),
        jailbreak_temperature=fit_temperature(
            np.stack([o.jailbreak for o in of_guard]), [int(r.jailbreak == "jailbreak") for r in guard]
        ),
        pii_temperature=_pii_temperature(engine, pii),
        pii_thresholds=dict.fromkeys(PII_TYPES, LOOSEST),
        fact_check_temperature=_ask_temperature(
            engine, "fact_check", facts, [FACT_CHECK.index(r.fact_check or "") for r in facts]
        ),
        feedback_temperature=_ask_temperature(
            engine, "feedback", feedback, [FEEDBACK.index(r.feedback or "") for r in feedback]
        ),
    )


def fit_temperature(logits: NDArray[np.float32], labels: Sequence[int]) -> float:
    """The temperature between 0.5 and 4 that makes the labels likeliest."""
    places = np.arange(len(labels))
    grid = np.geomspace(0.5, 4.0, 64)
    losses = [-np.log(softmax(logits, float(t))[places, labels] + 1e-9).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


class Reader:
    """A bundle that was started, and a bar for what it reads."""

    def __init__(self, judge: Judge, progress: Progress) -> None:
        self._judge = judge
        self._progress = progress

    def read(self, texts: Sequence[str], what: str, role: Role = "user") -> list[Readings]:
        """One Readings per text; those of a blank text are empty."""
        bar = self._progress.add_task(f"calibrate, {what}", total=len(texts))
        facts = self._judge.texts(texts, role, lambda more: self._progress.advance(bar, more))
        self._progress.remove_task(bar)
        return [each.readings or Readings() for each in facts]

    def risks(self, texts: Sequence[str], what: str, role: Role = "user") -> list[float]:
        """Of each text the highest of its windows."""
        # a disguised stretch is read besides; the operating points are for the passages, once each
        return [
            max((w.risk for w in one.jailbreak if not w.beside), default=0.0)
            for one in self.read(texts, what, role)
        ]


def thresholds(
    bundle: Path, work: Path, data: Path, start: Calibration, progress: Progress | None = None
) -> Calibration:
    """Operating points and PII thresholds, read from the bundle that `start` was written to."""
    rows = list(read_rows(work / "held.jsonl"))
    check_held(rows)
    natural = [r["text"] for r in json_lines(data / "intent_dev.jsonl") if r["style"] == "natural"]
    with Judge(bundle) as judge:
        reader = Reader(judge, progress or Progress(disable=True))
        return replace(
            start,
            operating_points=operating_points(reader, rows, natural),
            pii_thresholds=pii_thresholds(reader, [r for r in rows if r.annotated]),
            feedback_threshold=feedback_threshold(reader, rows),
        )


def check_held(rows: Iterable[Row]) -> None:
    """Raises EvaluationError if the held-out rows are too few to fit operating points to."""
    sources, _ = sources_of(of_people(rows))
    if not sources:
        raise EvaluationError(
            f"the guard's thresholds need a source with {FEWEST_TEXTS} held-out benign texts that people "
            "wrote and that do not look like attacks: one of some "
            f"{2 * FEWEST_TEXTS * HELD_SHARE} in the training files"
        )


def feedback_threshold(reader: Reader, rows: Sequence[Row]) -> float:
    """At least one half, and so that few held-out first questions are taken for feedback."""
    ordinary = [r for r in rows if r.feedback == "NONE" and task_of(r) in ("natural", "generated", "request")]
    readings = reader.read([r.text for r in _sample(ordinary, 2000)], "first questions")
    claims = [1.0 - reading.feedback.get("NONE", 1.0) for reading in readings]
    return max(0.5, _shown(threshold_at(claims, FEEDBACK_TARGET))) if claims else 0.5


def operating_points(
    reader: Reader, rows: Sequence[Row], natural: Sequence[str]
) -> tuple[OperatingPoint, ...]:
    """Thresholds that grow with the number of windows; system prompts have their own."""
    # what was written to look like an attack would set the rate by how much of it was written
    benign = [r for r in rows if r.jailbreak == "benign" and not r.source.startswith("generated")]
    ordinary_rows = of_people(rows)
    hard = [r for r in benign if is_hard(r) and "system_prompt" not in r.stratum]
    # a third of them are OWASP's, which quotes attacks to explain them
    sizes = Counter(r.source for r in hard)
    weights = [sizes[r.source] ** -0.5 for r in hard]
    ordinary = [*_sample([r.text for r in ordinary_rows], 2400), *natural]
    system = [r.text for r in benign if "system_prompt" in r.stratum or "roleplay" in r.stratum]
    short = threshold_at(reader.risks(ordinary, "ordinary texts"), TARGET)
    if hard:
        risks = reader.risks([r.text for r in hard], "hard texts")
        short = max(short, threshold_at(risks, HARD_TARGET, weights))
    points = [OperatingPoint("any", 1, _shown(short), TARGET)]
    for number, (windows, count) in enumerate(LENGTHS):
        texts = _long_texts(ordinary_rows, windows, count, seed=number)
        least = points[-1].threshold
        fitted = max(least, threshold_at(reader.risks(texts, f"{windows} windows"), TARGET))
        limit = None if number == len(LENGTHS) - 1 else windows
        points.append(OperatingPoint("any", limit, _shown(fitted), TARGET))
    of_system = threshold_at(reader.risks(system, "system prompts", "system"), TARGET) if system else 0.0
    own = [
        OperatingPoint("system", p.max_windows, _shown(max(p.threshold, of_system)), TARGET) for p in points
    ]
    return (*points, *own)


def pii_thresholds(reader: Reader, rows: Sequence[Row]) -> dict[str, float]:
    """Per type the threshold with the best exact-span F1 on the held-out rows that annotate it."""
    readings = reader.read([row.text for row in rows], "personal data")
    counts: dict[tuple[str, float], SpanCount] = defaultdict(SpanCount)
    for row, reading in zip(rows, readings, strict=True):
        scored = [((e.start, e.end, e.type), e.score) for e in reading.entities]
        for kind in row.annotated or ():
            truth = [span for span in row.spans if span[2] == kind]
            for threshold in GRID:
                said = [span for span, score in scored if span[2] == kind and score >= threshold]
                counts[kind, threshold].add(truth, said, row.ignored)
    return {kind: _best(kind, counts) for kind in PII_TYPES}


def _best(kind: str, counts: dict[tuple[str, float], SpanCount]) -> float:
    if counts[kind, GRID[0]].right + counts[kind, GRID[0]].missed < FEWEST_SPANS:
        return 0.5
    # among equals the one nearest to one half, which needs no explanation
    return max(GRID, key=lambda t: (round(counts[kind, t].f1, 3), -abs(t - 0.5)))


def _feedback_rows(rows: Sequence[Row]) -> list[Row]:
    """The held-out feedback, and as many first questions."""
    said = [r for r in rows if r.feedback not in (None, "NONE")]
    return [*said, *_sample([r for r in rows if r.feedback == "NONE"], len(said))]


def _ask_temperature(engine: Engine, head: str, rows: Sequence[Row], labels: Sequence[int]) -> float:
    if not rows:
        return 1.0
    return fit_temperature(np.stack([o.asks[head] for o in engine.run([r.text for r in rows])]), labels)


def _pii_temperature(engine: Engine, rows: Sequence[Row]) -> float:
    outputs = engine.run([row.text for row in rows])
    logits, labels = [], []
    for row, output in zip(rows, outputs, strict=True):
        encoding = engine.tokenizer.encode(row.text)
        offsets = encoding.offsets[1 : 1 + len(output.pii)]
        free = free_tags(row.annotated or ())
        for tag, values in zip(tags_of(offsets, row.spans, row.ignored), output.pii, strict=True):
            if tag > 0 or (tag == 0 and free.sum() == 1):
                logits.append(values)
                labels.append(tag)
    return fit_temperature(np.stack(logits), labels)


def _long_texts(rows: Sequence[Row], windows: int, count: int, seed: int) -> list[str]:
    """Benign texts of about `windows` windows each, joined from shorter ones of one source as far as it goes:
    a text of unrelated prompts is a document with orders in it, which is what an attack in a document looks
    like."""
    chance = random.Random(seed)
    sources, weights = sources_of(rows)
    tokens = windows * WINDOW_STRIDE - 60
    return ["\n\n".join(_drawn(chance, sources, weights, tokens)) for _ in range(count)]


def _drawn(
    chance: random.Random, sources: Sequence[list[str]], weights: Sequence[float], tokens: int
) -> list[str]:
    """None twice: windows that repeat one another are no riskier than one of them."""
    left, parts, filled = list(range(len(sources))), list[str](), 0
    while left:
        source = chance.choices(left, [weights[place] for place in left])[0]
        left.remove(source)
        for text in chance.sample(sources[source], len(sources[source])):
            if filled >= tokens:
                return parts
            parts.append(text)
            filled += about_tokens(text)
    return parts


def _sample(rows: Sequence[T], count: int) -> list[T]:
    return random.Random(0).sample(rows, min(count, len(rows)))


def _shown(threshold: float) -> float:
    """Rounded up to five digits, never above one."""
    return min(1.0, float(np.ceil(threshold * 1e5) / 1e5))


def golden_outputs(folder: Path, texts: Sequence[str]) -> list[Output]:
    return Engine(folder).run(texts, batch=1)
