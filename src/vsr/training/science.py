"""Chinese questions of physics, chemistry, biology and geography, asked naturally or as exams ask them.

Without options, which is how people ask; geography is `other`, as the exams in the training data label
it. `prompts/science_zh.txt` is written like the attacks' files; a template of one subject is a group.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from vsr.training.attacks import Book, Template, book, typed
from vsr.training.prepare import key
from vsr.training.rows import Row

DOMAINS = {"physics": "physics", "chemistry": "chemistry", "biology": "biology", "geography": "other"}
ROWS = 900
"""Questions of each subject; the frames of every subject and its own templates make about half each."""
TRIES = 8


def science(seed: int) -> Iterator[Row]:
    """About ROWS questions of every subject, no text twice."""
    parts = book("zh", "science_zh")
    templates = parts.templates["benign"]
    for subject in DOMAINS:
        chance = random.Random(f"{seed} science {subject}")
        own = [t for t in templates if t.section == subject]
        frames = [t for t in templates if t.section in ("natural", "exam")]
        seen: set[str] = set()
        for number in range(ROWS):
            choice = own if number % 2 else frames
            template = choice[number // 2 % len(choice)]
            for _ in range(TRIES):
                text = _text(chance, parts, template, subject)
                if key(text) not in seen:
                    seen.add(key(text))
                    yield _row(subject, template, text)
                    break


def _text(chance: random.Random, parts: Book, template: Template, subject: str) -> str:
    line = template.line.replace("{topic}", f"{{{subject}}}")
    return typed(chance, parts.filled(chance, line))


def _row(subject: str, template: Template, text: str) -> Row:
    task = "exam" if template.section == "exam" else "natural"
    return Row(
        text=text,
        source="generated-science-zh",
        license="own",
        group=f"science:{subject}:{template.name}",
        lang="zh",
        stratum=f"{task}/generated-science/zh/{subject}",
        domain=DOMAINS[subject],
        jailbreak="benign",
    )
