"""Several harmless prompts of one source in one text, some with an attack among them.

A file of what users said, or a long chat, is no attack for holding one order after another. Calibration
sets the thresholds of long texts on such joined texts of the held-out rows; training reads them in
windows of its own rows, each with a twin that differs in one prompt: an attack.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from vsr.training.attacks import Template, book, sentence
from vsr.training.rows import Row

PAIRS = {"en": 1400, "zh": 1400}
HARD_KINDS = ("trigger", "security", "roleplay", "with_context", "encoded", "safety_topic", "system_prompt")
FEWEST_TEXTS = 20
"""A source with fewer texts makes no long ones."""
SHORTEST, LONGEST = 40, 105
"""About so many tokens: a window of the server holds the text."""
GAPS = ("\n\n", "\n\n", "\n", "\n- ", " ")
ATTACKS = {"override": 3, "hijack": 3, "extraction": 2, "indirect": 2, "persona": 1, "authority": 1}
HARMLESS = {"trigger": 3, "indirect": 3, "trigger_format": 2, "plain": 2}
NOTHING_SAID = 0.5
"""So many twins hold one more prompt of the source instead of a harmless request."""


def is_hard(row: Row) -> bool:
    """Whether the row was chosen or written to look like an attack."""
    return any(kind in row.stratum for kind in HARD_KINDS)


def of_people(rows: Iterable[Row]) -> list[Row]:
    """Ordinary benign rows that people wrote."""
    return [
        r for r in rows if r.jailbreak == "benign" and not r.source.startswith("generated") and not is_hard(r)
    ]


def sources_of(rows: Iterable[Row]) -> tuple[list[list[str]], list[float]]:
    """The texts of every source that has enough, and how often to draw from it: by the square root of its
    size, as in training."""
    by_source: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row.text)
    sources = [texts for texts in by_source.values() if len(texts) >= FEWEST_TEXTS]
    return sources, [len(texts) ** 0.5 for texts in sources]


def filling(chance: random.Random, texts: Sequence[str], tokens: float) -> list[str]:
    """Texts drawn until they hold `tokens` together."""
    parts: list[str] = []
    count = 0
    while count < tokens:
        parts.append(chance.choice(texts))
        count += about_tokens(parts[-1])
    return parts


def about_tokens(text: str) -> int:
    """A rough count: a Chinese character is a token, four others are one."""
    wide = sum(ord(c) > 0x2E7F for c in text)
    return wide + (len(text) - wide) // 4


def joined(rows: Iterable[Row], seed: int) -> Iterator[Row]:
    """About PAIRS attacks of each language and as many twins, from ordinary rows of people."""
    ordinary = [r for r in of_people(rows) if about_tokens(r.text) < LONGEST // 2]
    for lang, count in PAIRS.items():
        chance = random.Random(f"{seed} joined {lang}")
        sources, weights = sources_of(r for r in ordinary if r.lang == lang)
        for _ in range(count if sources else 0):
            yield from _pair(chance, lang, chance.choices(sources, weights)[0])


def _pair(chance: random.Random, lang: str, texts: Sequence[str]) -> Iterator[Row]:
    """An attack and its twin, or nothing where they do not fit a window."""
    parts = filling(chance, texts, chance.randrange(SHORTEST, LONGEST - 30))
    place, gap = chance.randrange(len(parts) + 1), chance.choice(GAPS)
    said = {
        "jailbreak": sentence(chance, book(lang), "jailbreak", ATTACKS),
        "benign": sentence(chance, book(lang), "benign", HARMLESS),
    }
    if chance.random() < NOTHING_SAID:
        said["benign"] = chance.choice(texts), Template("", "nothing", f"{lang}:benign:joined")
    whole = {label: gap.join([*parts[:place], text, *parts[place:]]) for label, (text, _) in said.items()}
    if any(about_tokens(text) > LONGEST for text in whole.values()):
        return
    for label, text in whole.items():
        template = said[label][1]
        yield Row(
            text=text,
            source=f"generated-joined-{lang}",
            license="own",
            group=f"attack:{template.name}",
            lang=lang,
            # by section: as one stratum they would hardly be drawn
            stratum=f"{label}/generated-joined_with_context-{template.section}/{lang}",
            jailbreak=label,
        )
