"""Texts that a language model wrote, asked for variety and shown nothing, for the trunk.

`prompts/exams.txt`: examination questions that licensed data lacks, `[SUBJECT LANG]`; geography is `other`,
as in `science.py`. `prompts/guard.txt`: attacks and harmless texts that look like them,
`[PART attack|harmless LANG]`. A heading begins a section, what stands before the first
is a comment, and `\\n` ends a line within a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

from vsr.training.rows import Row

HEADING = re.compile(r"\[([\w ]+) (en|zh)\]")
JAILBREAK = {"attack": "jailbreak", "harmless": "benign"}


def written() -> Iterator[Row]:
    """Every text once."""
    for number, subject, lang, text in sections("exams.txt"):
        yield Row(
            text=text,
            source=f"generated-exam-{lang}",
            license="own",
            group=f"exams:{number}",
            lang=lang,
            stratum=f"exam/written/{lang}/{subject}",
            domain="other" if subject == "geography" else subject,
            jailbreak="benign",
        )
    for row, part in guard_texts("guard.txt"):
        yield replace(row, stratum=f"{row.jailbreak}/written-{part}/{row.lang}")


def guard_texts(name: str) -> Iterator[tuple[Row, str]]:
    """What a file in `prompts/` holds for the guard, each with its part; the stratum is still empty."""
    for number, heading, lang, text in sections(name):
        part, kind = heading.split()
        row = Row(
            text=text,
            source=f"generated-written-{kind}-{lang}",
            license="own",
            group=f"{name}:{number}",
            lang=lang,
            stratum="",
            jailbreak=JAILBREAK[kind],
        )
        yield row, part


def sections(name: str) -> Iterator[tuple[int, str, str, str]]:
    """(line number, what the heading says, language, text) of every text in a file of `prompts/`."""
    heading, lang = "", ""
    lines = files("vsr.training").joinpath("prompts", name).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        if found := HEADING.fullmatch(line):
            heading, lang = found.groups()
        elif line and heading:
            yield number, heading, lang, line.replace("\\n", "\n")
