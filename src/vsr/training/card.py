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

One pass of a 6-layer MiniLM (22 M parameters, 27 M with new characters and heads; int8) answers six
questions about a text in English or Chinese: its domain (14 classes of MMLU-Pro), whether it is a
jailbreak or a prompt injection, which tokens are personal data (18 types), where it lies in the base
model's sentence space, whether it asks for facts that could be checked, and whether it is feedback on an
answer before it (satisfied, needs clarification, wrong answer, wants something different, or none).

Made by `vsr train`: LoRA on all linear layers, {new_rows} new embeddings for Chinese characters (first
aligned with English glosses of CC-CEDICT), merged, quantised by NNCF to int8. A linear model over single
tokens and pairs of them, fitted to the same rows and to the guard's that were kept from the trunk, adds
to the logits of the domain and of the jailbreak head. Calibrated on held-out groups of the training
sources. Version {version}, manifest SHA-256 `{digest}`.

## Limits

It reads windows of {window} tokens. It was trained on English and Chinese; other languages occur among
the guard's rows and those of general requests only, so of their domains it knows little. The jailbreak
head looks for injections and jailbreaks, not for harmful requests as such. The trunk's positives are
mostly composed of a few hundred phrases; it and the head also read thousands of attacks and harmless
texts in words of their own, written by a language model: expect less on attacks of a new make. The PII
head proposes spans; structured identifiers want a validator beside it.

Feedback was learnt from generated rows only, hundreds of phrasings a class and language, most of which
the trunk has not seen; it is measured on held-out phrasings of the same making, which flatters it, and on
a small hand-written file of another make. It reads the user's message alone, not the answer it is about.
Whether facts are asked for was labelled by source (exam and trivia questions against code, mathematics,
rewriting and role-play) and from generated rows, so the held-out rows tell little more than whether
sources are told apart.

## Measured

On development files. Their sources are disjoint from the training's, except that MMLU-Pro-indist10pct,
BELLE-eval and held-* are held out of sources that were trained on. Not strictly blind are deepset and
XSafety-zh: the phrases of the training files' composed attacks (`composed/*`, `indirect-composed/*`,
`grammar/*`, `persona/*`) were written after a few of their rows had been seen. Thresholds and temperatures
were not fitted on what is shown, except that the natural rows of the domain file (vllm-sr-bench-test,
BELLE-eval) are among those that set the guard's false-positive rate, and that held-* are the rows that the
temperatures of fact check and feedback and the threshold of feedback were fitted to. And they did choose how
much the linear model counts, the scale of the jailbreak head and which run ships.

{tables}

## Data

{data}
"""

OF_A_MODEL = ("generated-exam", "generated-unseen", "generated-written")
"""How the sources' names begin whose texts a language model wrote."""


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
    """Every source with its licence and rows, and what share of them is of our own making."""
    kept: dict[str, int] = prepared["kept"]
    parts = ["| source | licence | rows |", "|---|---|---|"]
    for source, count in kept.items():
        parts.append(f"| {source} | {prepared['licenses'].get(source, '')} | {count} |")
    own = {source: count for source, count in kept.items() if prepared["licenses"].get(source) == "own"}
    total, ours = sum(kept.values()), sum(own.values())
    of_model = sum(count for source, count in own.items() if source.startswith(OF_A_MODEL))
    parts += [
        "",
        f"Of {total:,} rows {ours:,} ({ours / total:.0%}) are our own: {of_model:,} of them written by a "
        f"language model ({', '.join(OF_A_MODEL)}), the others by hand or composed by code, with a seed, "
        "from what was written by hand.",
    ]
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
