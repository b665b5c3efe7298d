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

ROWS = {"zh": 3600, "en": 2600, "de": 300, "es": 300, "fr": 300, "it": 300, "pt": 300, "ru": 300, "ja": 300}
DISGUISED = 0.04
TRIES = 8


def concerns(seed: int) -> Iterator[Row]:
    """ROWS harmless rows, no text twice in a language; every template as often as the next, while it has more
    to say."""
    for lang, count in ROWS.items():
        chance = random.Random(f"{seed} concern {lang}")
        yield from _rows(chance, book(lang, f"concerns_{lang}"), count)


def _rows(chance: random.Random, parts: Book, count: int) -> Iterator[Row]:
    seen: set[str] = set()
    templates = list(parts.templates["benign"])
    while templates:
        for template in templates.copy():
            if len(seen) == count:
                return
            for _ in range(TRIES):
                text = _text(chance, parts, template)
                if key(text) not in seen:
                    seen.add(key(text))
                    yield _row(parts.lang, template, text)
                    break
            else:
                templates.remove(template)


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
