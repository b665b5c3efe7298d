"""The model card, the licence and the attribution that travel with a bundle."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from vsr.evaluation.markdown import markdown
from vsr.evaluation.tables import Report
from vsr.training.bundle import WINDOW_TOKENS

CARD = """\
---
license: apache-2.0
language: [en, zh]
base_model: sentence-transformers/all-MiniLM-L6-v2
pipeline_tag: text-classification
---
# vsr-minilm-en-zh

One pass of a 6-layer MiniLM (22 M parameters, int8) answers six questions about a text in English or
Chinese: its domain (14 classes of MMLU-Pro), whether it is a jailbreak or a prompt injection, which tokens
are personal data (18 types), where it lies in the base model's sentence space, whether it asks for facts
that could be checked, and whether it is feedback on an answer before it (satisfied, needs clarification,
wrong answer, wants something different, or none).

Made by `vsr train`: LoRA on all linear layers, {new_rows} new embeddings for Chinese
characters (first aligned with English glosses of CC-CEDICT), merged, quantised by NNCF to int8. A linear
model over single tokens and pairs of them, fitted to the same rows, adds to the logits of the domain and
of the jailbreak head. Calibrated on held-out groups of the training sources. Version {version}, manifest
SHA-256 `{digest}`.

## Limits

It reads windows of {window} tokens. It was trained on English and Chinese; other languages occur among the
guard's rows only. The jailbreak head looks for injections and jailbreaks, not for harmful requests as
such. The trunk's positives are mostly composed of a few hundred phrases; the head is fitted, besides, to
some 2,100 attacks and as many harmless twins in words of their own, written by a language model: expect
less on attacks of a new make. The PII head proposes spans; structured identifiers want a validator beside
it.

Feedback was learnt from generated rows only, some 580 phrasings a class and language, nearly half of which
the trunk has not seen; it is measured on held-out phrasings of the same making, which flatters it, and on
a small hand-written file of another make. It reads the user's message alone, not the answer it is about.
Whether facts are asked for was labelled by source (exam and trivia questions against code, mathematics,
rewriting and role-play) and from generated rows, so the held-out rows tell little more than whether
sources are told apart.

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
        window=WINDOW_TOKENS,
        tables=markdown(report),
        data=data_table(prepared),
    )
    (bundle / "README.md").write_text(card, encoding="utf-8")
    (bundle / "LICENSE").write_text(_license_text(), encoding="utf-8")
    (bundle / "NOTICE").write_text(notice(prepared), encoding="utf-8")


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
