"""A report as Markdown: the measured part of docs/models.md and of a bundle's model card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vsr.evaluation.tables import Report

TITLES = {"fact_check": "Fact check", "feedback": "Feedback"}
Grid = tuple[Sequence[str], list[Sequence[str]]]


def markdown(report: Report) -> str:
    """Every table of the report, with a heading each."""
    parts = []
    for title, (header, rows) in grids(report).items():
        parts += [f"### {title}", "", _line(header), "|" + "---|" * len(header), *map(_line, rows), ""]
    return "\n".join(parts).rstrip()


def grids(report: Report) -> dict[str, Grid]:
    """Header and rows of text of each table, by title; for Markdown and the terminal alike."""
    found = {
        "Domain": _domain(report.get("domain", {})),
        "Jailbreak": _jailbreak(report.get("jailbreak", {})),
        "PII, exact spans": _pii(report.get("pii", {})),
        "PII in texts full of digits, false spans per 100 texts": _digits(report.get("pii_digits", {})),
        "Duplicates": _pairs(report.get("embedding", {}), report.get("embedding_one_kind", {})),
        "Red team": _red_team(report.get("red_team", {})),
        "Red team, attacks still found with harmless words appended": _still_found(
            report.get("red_team", {})
        ),
        **{title: _asked(report.get(head, {})) for head, title in TITLES.items()},
    }
    return {title: grid for title, grid in found.items() if grid[1]}


def share(value: Mapping[str, float | None] | None) -> str:
    """`.83 (.80–.86)`, nothing for None, no interval where there is none."""
    if value is None or value["value"] is None:
        return ""
    if value["low"] is None:
        return dot(value["value"])
    return f"{dot(value['value'])} ({dot(value['low'])}–{dot(value['high'])})"


def dot(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".lstrip("0") if 0 <= value < 0.9995 else f"{value:.3f}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _domain(table: Report) -> Grid:
    header = ("source", "accuracy (95 %)", "macro-F1 (95 %)", "ECE", "confident (≥ .6)", "rows")
    return header, [
        (
            source,
            share(row["accuracy"]),
            share(row["macro_f1"]),
            dot(row["ece"]),
            dot(row["confident"]["value"]),
            str(row["accuracy"]["n"]),
        )
        for source, row in table.items()
    ]


def _jailbreak(table: Report) -> Grid:
    header = ("source", "AUC (95 %)", "recall (95 %)", "false positives (95 %)", "rows")
    return header, [
        (
            source,
            share(row.get("auc")),
            share(row.get("recall")),
            share(row.get("false_positives")),
            str(row["n"]),
        )
        for source, row in table.items()
    ]


def _pii(table: Report) -> Grid:
    header = ("source", "type", "precision", "recall", "F1 as served (95 %)", "F1 of the head alone", "spans")
    return header, [
        (
            source,
            kind,
            dot(row["served"]["precision"]),
            dot(row["served"]["recall"]),
            share(row["served"]["f1"]),
            dot(row["head"]["f1"]["value"]),
            str(row["served"]["spans"]),
        )
        for source, kinds in table.items()
        for kind, row in kinds.items()
        if not (kind == "all" and len(kinds) == 2)
    ]


def _red_team(suite: Report) -> Grid:
    header = (
        "transformation",
        "recall, English",
        "recall, Chinese",
        "recall, other",
        "lost",
        "false positives",
    )
    return header, [
        (
            name,
            *(share(row["recall"].get(lang)) for lang in ("en", "zh", "other")),
            share(row["lost"]),
            share(row["false_positives"]),
        )
        for name, row in suite.get("transformations", {}).items()
    ]


def _still_found(suite: Report) -> Grid:
    header = ("language", "1 word", "2 words", "3 words", "4 words", "5 words", "with each of them")
    return header, [
        (lang, *(share(row.get(key)) for key in ("1", "2", "3", "4", "5", "all")))
        for lang, row in suite.get("still_found", {}).items()
    ]


def _digits(table: Report) -> Grid:
    rows = [(s, f"{row['served']:.1f}", f"{row['head']:.1f}", str(row["texts"])) for s, row in table.items()]
    return ("source", "as served", "the head alone", "texts"), list(rows)


def _pairs(table: Report, one_kind: Report) -> Grid:
    header = ("source", "AUC (95 %)", "base model", "pairs")
    rows = [
        (source, share(row["auc"]), dot(row.get("auc_base")), str(row["n"])) for source, row in table.items()
    ]
    for source, row in one_kind.items():
        kind = "duplicates only" if row["duplicates"] else "no duplicates"
        rows.append((source, f"{kind}, mean similarity {dot(row['mean_similarity'])}", "", str(row["n"])))
    return header, list(rows)


def _asked(table: Report) -> Grid:
    return ("source", "accuracy (95 %)", "macro-F1 (95 %)", "ECE", "recall by label", "rows"), [
        (
            source,
            share(row["accuracy"]),
            share(row["macro_f1"]),
            dot(row["ece"]),
            ", ".join(f"{label} {dot(one['value'])}" for label, one in row["recall"].items()),
            str(row["accuracy"]["n"]),
        )
        for source, row in table.items()
    ]
