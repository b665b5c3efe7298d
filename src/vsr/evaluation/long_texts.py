"""Long harmless texts for the prompt guard to leave alone: short ones joined with blank lines."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from vsr.encoder.tokens import TextTokenizer
from vsr.evaluation.metrics import SEED

LONG = {8_000: 50, 32_000: 20}
"""How many texts of how many tokens: as many as a minute on two cores reads."""


def long_texts(
    pieces: Sequence[str], tokenizer: TextTokenizer, limit: int | None = None
) -> Iterator[tuple[int, str]]:
    """Each with the tokens it has at least, of pieces drawn anew, none twice; none of a length that all the
    pieces together do not reach. limit: of one length."""
    sizes = {piece: len(tokenizer.encode(piece)) for piece in pieces if piece.strip()}
    chance = random.Random(SEED)
    for tokens, count in LONG.items():
        if sum(sizes.values()) >= tokens:
            for _ in range(min(count, limit or count)):
                yield tokens, _joined(sizes, tokens, chance)


def _joined(sizes: Mapping[str, int], tokens: int, chance: random.Random) -> str:
    chosen: list[str] = []
    filled = 0
    for piece in chance.sample(list(sizes), len(sizes)):
        if filled >= tokens:
            break
        chosen.append(piece)
        filled += sizes[piece]
    return "\n\n".join(chosen)
