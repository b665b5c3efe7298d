"""The model card, the licence and the attribution that travel with a bundle; tables for the docs."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from vsr.training.evaluate import Report

CARD = """\
---
license: apache-2.0
language: [en, zh]
base_model: sentence-transformers/all-MiniLM-L6-v2
pipeline_tag: text-classification
---
# vsr-minilm-en-zh

One pass of a 6-layer MiniLM (22 M parameters, int8) answers four questions about a text in English or
Chinese: its domain (14 classes of MMLU-Pro), whether it is a jailbreak or a prompt injection, which tokens
are personal data (18 types), and where it lies in the base model's sentence space.

Made by `python -m vsr.training`: LoRA on all linear layers, {new_rows} new embeddings for Chinese
characters (first aligned with English glosses of CC-CEDICT), merged, quantised by NNCF to int8, calibrated
on held-out groups of the training sources. Version {version}, manifest SHA-256 `{digest}`.

## Limits

It reads windows of 126 tokens. It was trained on English and Chinese; other languages occur among the
guard's rows only. The jailbreak head looks for injections and jailbreaks, not for harmful requests as
such. Positives are mostly composed of a few hundred phrases: expect less on attacks of a new make. The PII
head proposes spans; structured identifiers want a validator beside it.

## Measured

On development files whose sources are disjoint from the training's; thresholds and temperatures were
not fitted on them, except that the natural rows of the domain file set the guard's false-positive rate.

{tables}

## Data

{data}
"""


def write_card(bundle: Path, work: Path, report: Report) -> None:
    """README.md, LICENSE and NOTICE in the bundle."""
    prepared = json.loads((work / "prepare.json").read_text(encoding="utf-8"))
    added = json.loads((work / "vocabulary.json").read_text(encoding="utf-8"))["added"]
    card = CARD.format(
        version=report["bundle"],
        digest=report["digest"],
        new_rows=f"{added:,}",
        tables=tables(report),
        data=data_table(prepared),
    )
    (bundle / "README.md").write_text(card, encoding="utf-8")
    (bundle / "LICENSE").write_text(_license_text(), encoding="utf-8")
    (bundle / "NOTICE").write_text(notice(prepared), encoding="utf-8")


def tables(report: Report) -> str:
    """Markdown tables of every head, per source."""
    parts = ["### Domain", "", "| source | accuracy | 95 % | macro-F1 | ECE | confident (≥ .6) | rows |"]
    parts.append("|---|---|---|---|---|---|---|")
    for source, row in report["domain"].items():
        share = row["accuracy"]
        parts.append(
            f"| {source} | {_dot(share['value'])} | {_dot(share['low'])}–{_dot(share['high'])} "
            f"| {_dot(row['macro_f1'])} | {_dot(row['ece'])} | {_dot(row['confident'])} | {share['n']} |"
        )
    parts += [
        "",
        "### Jailbreak",
        "",
        "| source | AUC | recall | false positives | rows |",
        "|---|---|---|---|---|",
    ]
    for source, row in report["jailbreak"].items():
        parts.append(
            f"| {source} | {_dot(row.get('auc'))} | {_share(row.get('recall'))} "
            f"| {_share(row.get('false_positives'))} | {row['n']} |"
        )
    parts += ["", "### PII, exact spans", "", "| source | type | precision | recall | F1 | spans |"]
    parts.append("|---|---|---|---|---|---|")
    false_alarms = []
    for source, kinds in report["pii"].items():
        if "false spans per 100 texts" in kinds:
            false_alarms.append(f"| {source} | {kinds['false spans per 100 texts']} |")
            continue
        for kind, row in kinds.items():
            parts.append(
                f"| {source} | {kind} | {_dot(row['precision'])} | {_dot(row['recall'])} "
                f"| {_dot(row['f1'])} | {row['spans']} |"
            )
    parts += ["", "| texts full of digits | false structured spans per 100 |", "|---|---|", *false_alarms]
    if "embedding" in report:
        parts += ["", "### Duplicates", "", "| source | AUC | base model | pairs |", "|---|---|---|---|"]
        for source, row in report["embedding"].items():
            parts.append(f"| {source} | {_dot(row['auc'])} | {_dot(row['auc_base'])} | {row['n']} |")
    return "\n".join(parts)


def data_table(prepared: dict[str, Any]) -> str:
    parts = ["| source | licence | rows |", "|---|---|---|"]
    for source, count in prepared["kept"].items():
        parts.append(f"| {source} | {prepared['licenses'].get(source, '')} | {count} |")
    return "\n".join(parts)


def notice(prepared: dict[str, Any]) -> str:
    """Attribution by licence; sources of our own making need none."""
    groups: dict[str, list[str]] = defaultdict(list)
    for source in prepared["kept"]:
        groups[prepared["licenses"].get(source, "")].append(source)
    lines = [
        "vsr-minilm-en-zh",
        "Fine-tuned from sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).",
        "CC-CEDICT, https://cc-cedict.org, published by MDBG under CC-BY-SA-4.0, was used in training.",
        "",
        "Trained on rows of these sources, under these licences:",
    ]
    for license, sources in sorted(groups.items()):
        if license != "own":
            lines += ["", f"{license}:", *(f"  {source}" for source in sources)]
    return "\n".join(lines) + "\n"


def _license_text() -> str:
    return files("vsr.training").joinpath("apache-2.0.txt").read_text(encoding="utf-8")


def _dot(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".lstrip("0") if 0 <= value < 1 else f"{value:.3f}"


def _share(share: dict[str, float] | None) -> str:
    if share is None:
        return ""
    return f"{_dot(share['value'])} ({_dot(share['low'])}–{_dot(share['high'])})"
