"""Knowledge-base rules: which label of a collection of example texts a request belongs to.

A label's score is the nearness to its exemplars, a group's that of its best label. `match: best` asks
for the best label or group among those that reach their threshold, `threshold` for any that does. Each
knowledge base also gives one signal of its own, of the type `kb_metric`, with its metrics as labels.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsr.config.policy_signals import MAX_EXAMPLES, KbRule, KnowledgeBase
from vsr.errors import ConfigError, Problem
from vsr.facts import Signal
from vsr.signals.prototypes import Bank, Vector, unit

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 16 * 1024 * 1024


def read_exemplars(base: KnowledgeBase) -> dict[str, tuple[str, ...]]:
    """Those of the configuration and of the file; ConfigError if the file cannot be read as
    `{"labels": {NAME: {"exemplars": [TEXT, ...]}}}`."""
    if not base.source:
        return dict(base.exemplars)
    if base.stands_in and not Path(base.source).exists():
        logger.warning(
            "%s does not exist: knowledge base %s uses its built-in examples", base.source, base.name
        )
        return dict(base.exemplars)
    found = {} if base.stands_in else dict(base.exemplars)
    try:
        if Path(base.source).stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"is larger than {MAX_FILE_BYTES} bytes")
        labels = json.loads(Path(base.source).read_text("utf-8"))["labels"]
        for name, label in labels.items():
            exemplars = tuple(str(text) for text in label["exemplars"])
            if not exemplars:
                raise ValueError("has a label without exemplars")
            for index, text in enumerate(exemplars):
                if not text.strip():
                    raise ValueError(f"labels.{name}.exemplars[{index}] is blank")
            found[str(name)] = (*found.get(str(name), ()), *exemplars)
            if len(found[str(name)]) > MAX_EXAMPLES:
                raise ValueError(f"labels.{name} has more than {MAX_EXAMPLES} exemplars")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) and "JSON" not in type(error).__name__ else ""
        message = f"knowledge base '{base.name}' cannot be read: {reason or type(error).__name__}"
        raise ConfigError([Problem(message, base.source)]) from error
    return found


@dataclass(frozen=True, slots=True, eq=False)
class LoadedBase:
    base: KnowledgeBase
    banks: Mapping[str, Bank]


@dataclass(frozen=True, slots=True)
class _Scores:
    labels: Mapping[str, float]
    groups: Mapping[str, float]
    reached: frozenset[str]
    """Labels over their threshold."""

    def best(self, kind: str, groups: Mapping[str, Sequence[str]]) -> str:
        """The best label or group that was reached; empty if none was."""
        if kind == "label":
            scores = {name: self.labels[name] for name in self.reached}
        else:
            scores = {
                group: self.groups[group] for group, names in groups.items() if self.reached & set(names)
            }
        return max(sorted(scores), key=lambda name: scores[name], default="")


def evaluate(rules: Sequence[KbRule], bases: Mapping[str, LoadedBase], vector: Vector) -> list[Signal]:
    scores = {name: _scores(loaded, vector) for name, loaded in bases.items()}
    signals = [_metrics(loaded, scores[name]) for name, loaded in bases.items()]
    return signals + [_evaluate_rule(rule, bases[rule.kb].base, scores[rule.kb]) for rule in rules]


def _scores(loaded: LoadedBase, vector: Vector) -> _Scores:
    base = loaded.base
    labels = {name: bank.nearness(vector).score for name, bank in loaded.banks.items()}
    groups = {
        group: max((labels.get(name, 0.0) for name in names), default=0.0)
        for group, names in base.groups.items()
    }
    reached = frozenset(name for name, score in labels.items() if score >= _threshold(base, name))
    return _Scores(labels, groups, reached)


def _threshold(base: KnowledgeBase, label: str) -> float:
    return base.label_thresholds.get(label, base.threshold)


def _evaluate_rule(rule: KbRule, base: KnowledgeBase, scores: _Scores) -> Signal:
    members = [rule.value] if rule.kind == "label" else list(base.groups.get(rule.value, ()))
    score = (scores.labels if rule.kind == "label" else scores.groups).get(rule.value, 0.0)
    if rule.match == "best":
        matched = scores.best(rule.kind, base.groups) == rule.value
    else:
        matched = not scores.reached.isdisjoint(members)
    threshold = min((_threshold(base, name) for name in members), default=base.threshold)
    detail = f"{rule.kind} of {base.name}, {len(scores.reached)} labels reached"
    return Signal("kb", rule.name, matched, unit(score), threshold, detail=detail, value=score)


def _metrics(loaded: LoadedBase, scores: _Scores) -> Signal:
    """best_score, best_matched_score and the margins between groups."""
    base = loaded.base
    best = max(scores.labels.values(), default=0.0)
    matched = max((scores.labels[name] for name in scores.reached), default=0.0)
    values = {"best_score": best, "best_matched_score": matched}
    for metric, (positive, negative) in base.margins.items():
        values[metric] = scores.groups.get(positive, 0.0) - scores.groups.get(negative, 0.0)
    return Signal("kb_metric", base.name, bool(scores.reached), unit(best), value=best, labels=values)
