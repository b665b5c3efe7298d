"""A judged request as the algorithms see it."""

from __future__ import annotations

from vsr.config.policy import Algorithm, Difficulty, Learned
from vsr.facts import Facts
from vsr.selection.choice import Question
from vsr.selection.surface import READ, features


def question(facts: Facts, algorithm: Algorithm, category: str, decision: str, seed: int) -> Question:
    """`surface` is looked at only where a trained selector will read it."""
    readings = facts.readings
    trained = isinstance(algorithm, (Learned, Difficulty))
    return Question(
        category=category,
        decision=decision,
        embedding=readings.embedding if readings else None,
        domain=readings.domain if readings else {},
        surface=features(_asked(facts)) if trained else (),
        tokens=readings.coverage.tokens if readings else sum(len(one.text) for one in facts.passages) // 4,
        seed=seed,
    )


def _asked(facts: Facts) -> str:
    """The beginning of what the user said last; its parts stand next to each other."""
    parts: list[str] = []
    for passage in reversed(facts.passages):
        if passage.role == "user":
            parts.append(passage.text.reveal()[:READ])
        elif parts:
            break
    return "\n".join(reversed(parts))[:READ]
