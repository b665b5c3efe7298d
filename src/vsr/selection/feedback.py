"""What outcomes taught: Elo ratings from comparisons, and how often a model's answers were good.

`Feedback` takes outcomes in and gives an immutable `Experience` out, which `elo` and `thompson` read. An
outcome that names its event is taken once, so that a client may send it again. Whether names exist is
checked where an outcome comes in (the management API); here only the number of entries is bounded. Where
outcomes survive a restart is `feedback_file`'s business.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

INITIAL = 1500.0
K_FACTOR = 32.0
"""The customary step: one surprise between equals moves both by 16 points."""
SCALE = 400.0
"""Elo's: a rating this much higher wins ten times in eleven."""
FORGET = 0.995
"""An arm's counts shrink by this with each of its outcomes, so the last few hundred decide."""
MAX_ENTRIES = 10_000
EVENTS = 10_000
"""Events that are remembered, the latest."""

Verdict = Literal["good_fit", "underpowered", "overprovisioned", "failed"]
VERDICTS: Mapping[Verdict, float] = {
    "good_fit": 1.0,
    "overprovisioned": 1.0,  # the answer was good; that it could have been cheaper is not its quality
    "underpowered": 0.0,
    "failed": 0.0,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either a judged answer (`model`, `quality` in [0, 1]) or a comparison (`model` beat `loser`; a
    quality of 0.5 is a draw). decision and category may be empty."""

    model: str
    quality: float
    loser: str = ""
    decision: str = ""
    category: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    value: float = INITIAL
    comparisons: int = 0


@dataclass(frozen=True, slots=True)
class Arm:
    """Discounted sums of quality and of what lacked to full quality."""

    good: float = 0.0
    bad: float = 0.0
    outcomes: int = 0


@dataclass(frozen=True, slots=True)
class Experience:
    """ratings: by (category, model), category "" over all. arms: by (decision, model), likewise."""

    ratings: Mapping[tuple[str, str], Rating] = field(default_factory=dict)
    arms: Mapping[tuple[str, str], Arm] = field(default_factory=dict)

    def rating(self, category: str, model: str) -> Rating:
        return self.ratings.get((category, model), _UNRATED)

    def arm(self, decision: str, model: str) -> Arm:
        """That over all decisions where the model has no outcomes in this one."""
        return self.arms.get((decision, model)) or self.arms.get(("", model), _UNTRIED)


_UNRATED, _UNTRIED = Rating(), Arm()


class Feedback:
    """Used from one event loop."""

    def __init__(self) -> None:
        self._ratings: dict[tuple[str, str], Rating] = {}
        self._arms: dict[tuple[str, str], Arm] = {}
        self._events: OrderedDict[str, None] = OrderedDict()
        self._experience = Experience()
        self.outcomes = 0

    @property
    def experience(self) -> Experience:
        return self._experience

    def knows(self, event: str) -> bool:
        return event in self._events

    def learn(self, outcome: Outcome, event: str = "") -> bool:
        """False for an outcome of an event that was learned before. Without a name it is always new."""
        if self.knows(event):
            return False
        if event:
            self._events[event] = None
            if len(self._events) > EVENTS:
                self._events.popitem(last=False)
        self.outcomes += 1
        if outcome.loser:
            for category in dict.fromkeys(("", outcome.category)):
                self._compare(category, outcome)
        else:
            for decision in dict.fromkeys(("", outcome.decision)):
                self._judge(decision, outcome)
        self._experience = Experience(dict(self._ratings), dict(self._arms))
        return True

    def _compare(self, category: str, outcome: Outcome) -> None:
        ours, theirs = (category, outcome.model), (category, outcome.loser)
        if not self._room_for(self._ratings, ours, theirs):
            return
        winner, loser = self._ratings.get(ours, _UNRATED), self._ratings.get(theirs, _UNRATED)
        expected = 1 / (1 + 10 ** ((loser.value - winner.value) / SCALE))
        step = K_FACTOR * (outcome.quality - expected)
        self._ratings[ours] = Rating(winner.value + step, winner.comparisons + 1)
        self._ratings[theirs] = Rating(loser.value - step, loser.comparisons + 1)

    def _judge(self, decision: str, outcome: Outcome) -> None:
        key = (decision, outcome.model)
        if not self._room_for(self._arms, key):
            return
        arm = self._arms.get(key, _UNTRIED)
        self._arms[key] = Arm(
            arm.good * FORGET + outcome.quality,
            arm.bad * FORGET + 1 - outcome.quality,
            arm.outcomes + 1,
        )

    def _room_for(self, table: Mapping[tuple[str, str], object], *keys: tuple[str, str]) -> bool:
        return len(table) < MAX_ENTRIES or all(key in table for key in keys)
