"""A second look at the suspicious windows of a long text, in pieces.

One sentence that speaks to the model is a small part of the window around it, and in a long text the
threshold is high, since many windows have a chance to be wrong. Seen from close by, an attack stands out
more. Only windows that the guard's head suspects are read again, so that a harmless text costs next to
nothing more, and what is seen there can raise a risk but not lower it: nobody hides behind it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsr.encoder.heads import WindowReading
from vsr.encoder.manifest import CloseUps, WindowScheme
from vsr.encoder.memo import WindowKey, window_key
from vsr.encoder.plan import Plan
from vsr.encoder.tokens import Ints
from vsr.encoder.windows import cover
from vsr.facts import Passage

MOST_WINDOWS = 2
"""The riskiest of the system prompts, and of all else: the guard decides by the highest risk. A hostile text
costs no more, and a system prompt that looks suspicious takes nobody's place."""
LEAST = 1e-6
"""So near to 0 and 1 a risk may be: log-odds have no end."""


@dataclass(frozen=True, slots=True)
class CloseUp:
    """A piece of the plan's window `window`; `key` names its content."""

    window: int
    key: WindowKey
    ids: Ints


def close_ups(
    passages: Sequence[Passage],
    plan: Plan,
    heard: Mapping[WindowKey, WindowReading],
    scheme: WindowScheme,
    rule: CloseUps | None,
    bundle_digest: str,
) -> list[CloseUp]:
    """What is to be read again: pieces of the windows whose risk reaches `rule.risk`. Nothing of a request
    that fits in one window, whose threshold is that of a window alone."""
    if rule is None or plan.token_count <= scheme.tokens:
        return []
    risks = {number: heard[key].risk for number, key in enumerate(plan.keys)}
    suspects = [
        number
        for number, risk in risks.items()
        if risk >= rule.risk and len(plan.windows[number].ids) > rule.tokens
    ]
    suspects.sort(key=risks.__getitem__, reverse=True)
    pieces = WindowScheme(rule.tokens, rule.stride)
    of_operator = [n for n in suspects if passages[plan.windows[n].passage].role == "system"]
    of_others = [n for n in suspects if passages[plan.windows[n].passage].role != "system"]
    made = []
    for number in (*of_operator[:MOST_WINDOWS], *of_others[:MOST_WINDOWS]):
        whole = plan.windows[number].ids
        parts = [whole[start:end] for start, end in cover(len(whole), pieces)]
        made += [CloseUp(number, window_key(bundle_digest, part), part) for part in parts]
    return made


def risk_of(own: float, pieces: float) -> float:
    """The risk of a window: its own, or if that is higher, the mean in log-odds of its own and of the highest
    of its pieces."""
    mean = (_log_odds(own) + _log_odds(pieces)) / 2.0
    return max(own, 1.0 / (1.0 + math.exp(-mean)))


def _log_odds(risk: float) -> float:
    risk = min(max(risk, LEAST), 1.0 - LEAST)
    return math.log(risk / (1.0 - risk))
