"""Documents with one sentence in them that speaks to the model, and their twins that speak to people.

A carrier of `prompts/documents_LANG.txt` is filled once, with a hole at the begin, in the middle or at
the end of its body, and yields two rows that differ in that sentence only. English and Chinese alike.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from vsr.training.attacks import Book, Template, book, sentence
from vsr.training.rows import Row

PAIRS = {"en": 2300, "zh": 2800}
SHORTEST, LONGEST = 50, 115
"""About so many tokens: the server never reads more than a window at once."""
TRIES = 12
BODY = re.compile(r"«(\w+)»")
HOLE = "\0"
ENDS = ".。!?！？)）"

ATTACKS = {"document": 5, "indirect": 5, "override": 2, "hijack": 2, "extraction": 1}
HARMLESS = {"document": 6, "indirect": 4}
"""Sections of the attacks' and the documents' files that sentences come from, and their weights."""
KINDS = {
    **dict.fromkeys(("mail", "ticket"), "letters"),
    **dict.fromkeys(("web", "news", "search", "review"), "pages"),
    **dict.fromkeys(("log", "readme", "code"), "technical"),
    **dict.fromkeys(("minutes", "contract", "resume", "paper"), "office"),
}
"""Strata by what a body's sentences are about: as one stratum they would hardly be drawn."""
NOTHING_SAID = 0.15
"""So many twins hold one more sentence of the body instead of a request."""


def documents(seed: int) -> Iterator[Row]:
    """About PAIRS attacks and as many twins of each language, no text twice."""
    for lang, count in PAIRS.items():
        chance = random.Random(f"{seed} document {lang}")
        parts = book(lang, f"attacks_{lang}", "attacks_any", f"documents_{lang}")
        yield from _pairs(chance, parts, count)


def _pairs(chance: random.Random, parts: Book, count: int) -> Iterator[Row]:
    seen: set[str] = set()
    for _ in range(count):
        for _ in range(TRIES):
            document, pool = _with_hole(chance, parts)
            attack, said = _sentence(chance, parts, "jailbreak")
            harmless, plain = _sentence(chance, parts, "benign")
            beside = plain.name
            if chance.random() < NOTHING_SAID:
                harmless = parts.filled(chance, chance.choice(parts.slots[pool]))
                beside = f"{parts.lang}:benign:{pool}"
            texts = [document.replace(HOLE, line) for line in (attack, harmless)]
            if not seen.intersection(texts) and all(map(_fits, texts)):
                break
        else:
            continue
        seen.update(texts)
        yield _row(parts.lang, texts[0], "jailbreak", said.name, KINDS[pool])
        yield _row(parts.lang, texts[1], "benign", beside, KINDS[pool])


def _with_hole(chance: random.Random, parts: Book) -> tuple[str, str]:
    """A document with a hole among the sentences of its body, and the name of the body's pool."""
    carrier = chance.choice(parts.slots["carrier"])
    pool = BODY.findall(carrier)[0]
    body = chance.sample(parts.slots[pool], chance.randrange(2, 8))
    place = chance.choice((0, len(body), chance.randrange(len(body) + 1)))
    body.insert(place, HOLE)
    gap = chance.choice(("", "", "\\n") if parts.lang == "zh" else (" ", " ", "\\n"))
    return parts.filled(chance, BODY.sub(lambda _: gap.join(body), carrier)), pool


def _sentence(chance: random.Random, parts: Book, label: str) -> tuple[str, Template]:
    text, template = sentence(chance, parts, label, ATTACKS if label == "jailbreak" else HARMLESS)
    return text if text[-1] in ENDS else text + ENDS[parts.lang == "zh"], template


def _fits(text: str) -> bool:
    wide = sum(ord(character) > 0x2E7F for character in text)
    return SHORTEST <= wide + (len(text) - wide) / 4.3 <= LONGEST


def _row(lang: str, text: str, label: str, template: str, kind: str) -> Row:
    return Row(
        text=text,
        source=f"generated-attack-document-{lang}",
        license="own",
        group=f"attack:{template}",
        lang=lang,
        # the name says that the whole document is read in training, see `examples.INDIRECT_TOKENS`
        stratum=f"{label}/generated-indirect_with_context-{kind}/{lang}",
        jailbreak=label,
    )
