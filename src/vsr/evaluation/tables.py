"""Counts results into figures: per head and source, never pooled, with 95 % intervals where counts are small.

Shares carry Wilson's interval; macro-F1, AUC and span F1 a bootstrapped one, over texts. The report is
plain JSON data; how it is shown is `markdown`'s, `show`'s and `plots`' affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.evaluation.metrics import (
    Share,
    SpanCount,
    auc,
    bootstrapped,
    expected_calibration_error,
    macro_f1,
    rounded,
)
from vsr.evaluation.results import Judged, Labelled, Pair, Results, Spanned

Report = dict[str, Any]
Interval = tuple[float, float]


def tables(results: Results) -> Report:
    """One table a head that was measured: source -> figures."""
    report: Report = {
        head: {source: labelled_row(head, rows) for source, rows in sources.items()}
        for head, sources in results.labelled.items()
    }
    if results.jailbreak:
        report["jailbreak"] = {source: guard_row(rows) for source, rows in results.jailbreak.items()}
    if results.pii:
        report["pii"] = {source: span_rows(rows) for source, rows in results.pii.items()}
    if results.digits:
        report["pii_digits"] = {source: digit_row(rows) for source, rows in results.digits.items()}
    pairs = _with_derived(results.duplicates)
    ordered = {source: pair_row(rows) for source, rows in pairs.items() if _both_kinds(rows)}
    if ordered:
        report["embedding"] = ordered
    rest = {source: one_kind_row(rows) for source, rows in pairs.items() if source not in ordered}
    if rest:
        report["embedding_one_kind"] = rest
    return report


def labelled_row(head: str, rows: Sequence[Labelled]) -> Report:
    truth, said = [row.truth for row in rows], [row.said for row in rows]
    right = [t == s for t, s in zip(truth, said, strict=True)]
    confidence = [row.confidence for row in rows]
    # where a threshold decides, what is said need not be what the confidence is of
    likeliest = [row.likeliest == row.truth for row in rows]
    row: Report = {
        "accuracy": Share(sum(right), len(right)).as_dict(),
        "macro_f1": figure(
            macro_f1(truth, said),
            bootstrapped(len(rows), lambda at: macro_f1([truth[i] for i in at], [said[i] for i in at])),
        ),
        "ece": round(expected_calibration_error(confidence, likeliest), 4),
    }
    if head == "domain":
        row["confident"] = Share(sum(p >= 0.6 for p in confidence), len(rows)).as_dict()
    else:
        row["recall"] = {
            label: Share(
                sum(s == label for s, t in zip(said, truth, strict=True) if t == label), truth.count(label)
            ).as_dict()
            for label in sorted(set(truth))
        }
    return row


def guard_row(rows: Sequence[Judged]) -> Report:
    """AUC where a source has both kinds; recall and false positives at the bundle's operating points."""
    row: Report = {"n": len(rows)}
    risks, attacks = np.array([one.risk for one in rows]), np.array([one.attack for one in rows])
    if attacks.any() and not attacks.all():
        row["auc"] = figure(auc(risks.tolist(), attacks.tolist()), _auc_interval(risks, attacks))
    caught = [one.flagged for one in rows if one.attack]
    alarms = [one.flagged for one in rows if not one.attack]
    if caught:
        row["recall"] = Share(sum(caught), len(caught)).as_dict()
    if alarms:
        row["false_positives"] = Share(sum(alarms), len(alarms)).as_dict()
    return row


def span_rows(rows: Sequence[Spanned]) -> Report:
    """Exact spans by type, of the head alone and as served; `all` is every annotated type together."""
    kinds = sorted({span[2] for row in rows for span in (*row.truth, *row.head, *row.served)})
    return {
        kind: {which: _span_figures(rows, which, kind) for which in ("head", "served")}
        for kind in ("all", *kinds)
    }


def digit_row(rows: Sequence[Spanned]) -> Report:
    """Spans found in texts full of digits that hold no personal data."""
    return {
        "texts": len(rows),
        "head": round(100 * sum(len(row.head) for row in rows) / len(rows), 2),
        "served": round(100 * sum(len(row.served) for row in rows) / len(rows), 2),
    }


def pair_row(rows: Sequence[Pair]) -> Report:
    labels = np.array([row.duplicate for row in rows])
    ours = np.array([row.cosine for row in rows])
    row: Report = {
        "n": len(rows),
        "auc": figure(auc(ours.tolist(), labels.tolist()), _auc_interval(ours, labels)),
    }
    known = [one.base for one in rows if one.base is not None]
    if known:
        row["auc_base"] = round(auc(known, labels.tolist()), 4)
    return row


def one_kind_row(rows: Sequence[Pair]) -> Report:
    """Of pairs that are all duplicates, or none of which is one."""
    return {
        "n": len(rows),
        "duplicates": rows[0].duplicate,
        "mean_similarity": round(float(np.mean([row.cosine for row in rows])), 4),
    }


def figure(value: float, interval: Interval) -> dict[str, float | None]:
    """None for what is not a number."""
    return {"value": rounded(value), "low": rounded(interval[0]), "high": rounded(interval[1])}


def _auc_interval(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> Interval:
    return bootstrapped(len(scores), lambda at: auc(scores[at].tolist(), labels[at].tolist()))


def _span_figures(rows: Sequence[Spanned], which: str, kind: str) -> Report:
    counts = np.array([_counted(row, which, kind) for row in rows])

    def f1(at: NDArray[np.int64]) -> float:
        return SpanCount(*counts[at].sum(axis=0).tolist()).f1

    total = SpanCount(*counts.sum(axis=0).tolist())
    return {**total.as_dict(), "f1": figure(total.f1, bootstrapped(len(rows), f1))}


def _counted(row: Spanned, which: str, kind: str) -> tuple[int, int, int]:
    said = row.head if which == "head" else row.served
    count = SpanCount()
    count.add(_of(row.truth, kind), _of(said, kind), row.ignored)
    return count.right, count.wrong, count.missed


def _of(spans: Iterable[tuple[int, int, str]], kind: str) -> list[tuple[int, int, str]]:
    return [span for span in spans if kind in ("all", span[2])]


def _with_derived(sources: Mapping[str, Sequence[Pair]]) -> dict[str, list[Pair]]:
    """A source `X` of duplicates alone gets the other pairs that were made of it, those of `X (shifted)`."""
    joined: dict[str, list[Pair]] = {}
    for source, rows in sorted(sources.items()):
        origins = [
            name
            for name in joined
            if source.startswith(f"{name} ") and all(row.duplicate for row in sources[name])
        ]
        name = origins[0] if origins and not any(row.duplicate for row in rows) else source
        joined.setdefault(name, []).extend(rows)
    return joined


def _both_kinds(rows: Sequence[Pair]) -> bool:
    """Pairs of one kind have no order to be wrong about."""
    return len({row.duplicate for row in rows}) == 2
