"""Harmless questions about secrets, leaks, privacy, security and AI, and requests from security work.

Nobody is attacked here, whatever the words: a guard that has seen such words only in attacks takes the
question for one. `prompts/concerns_LANG.txt` is written like the attacks' files. A template is a group.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from vsr.training.attacks import Book, Template, book, typed
from vsr.training.disguises import disguised
from vsr.training.prepare import key
from vsr.training.rows import Row

ROWS = {"zh": 3000, "en": 2000, "de": 280, "es": 280, "fr": 280, "it": 280, "pt": 280, "ru": 280, "ja": 280}
DISGUISED = 0.04
TRIES = 8


def concerns(seed: int) -> Iterator[Row]:
    """About ROWS harmless rows, no text twice in a language; every template as often as the next."""
    for lang, count in ROWS.items():
        chance = random.Random(f"{seed} concern {lang}")
        yield from _rows(chance, book(lang, f"concerns_{lang}"), count)


def _rows(chance: random.Random, parts: Book, count: int) -> Iterator[Row]:
    seen: set[str] = set()
    templates = parts.templates["benign"]
    for number in range(count):
        template = templates[number % len(templates)]
        for _ in range(TRIES):
            text = _text(chance, parts, template)
            if key(text) not in seen:
                seen.add(key(text))
                yield _row(parts.lang, template, text)
                break


def _text(chance: random.Random, parts: Book, template: Template) -> str:
    text = typed(chance, parts.filled(chance, template.line))
    return disguised(chance, text) if chance.random() < DISGUISED else text


def _row(lang: str, template: Template, text: str) -> Row:
    return Row(
        text=text,
        source=f"generated-concern-{lang}",
        license="own",
        group=f"concern:{template.name}",
        lang=lang,
        stratum=f"benign/generated-{template.section}/{lang if ROWS[lang] >= 1000 else 'other'}",
        jailbreak="benign",
    )
