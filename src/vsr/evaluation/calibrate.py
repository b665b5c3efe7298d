"""A threshold for the prompt guard fitted to somebody's own harmless traffic, instead of the bundle's.

Reads requests, judges them as the server does, and finds the lowest threshold that lets new requests of the
kind raise no more false alarms than asked for. Writes a configuration overlay; nothing of the texts is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vsr.chat.request import parse_chat_request
from vsr.config.policy import PromptGuard
from vsr.encoder.bundle import Bundle
from vsr.errors import EvaluationError, RequestError
from vsr.evaluation.inputs import text_lines
from vsr.evaluation.metrics import Share, threshold_at
from vsr.evaluation.reading import Body, Done, Judge, body_of, unwatched
from vsr.facts import Facts
from vsr.guards.prompt import assess_prompt

FEWEST = 3
"""Rows for one expected false alarm; with fewer, no alarm at all would not show that the rate is met."""
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """alarms: harmless requests that alarm with the threshold; caught: attacks. system: those of the alarms
    that system passages raise whatever the threshold, which is not for them. quantiles: of the harmless
    requests' risks outside these. before: the alarms that the bundle's own operating points raise."""

    bundle: str
    digest: str
    rows: int
    target: float
    threshold: float
    alarms: Share
    system: int
    before: Share
    caught: Share | None
    quantiles: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {
            "bundle": self.bundle,
            "digest": self.digest,
            "rows": self.rows,
            "target_fpr": self.target,
            "threshold": self.threshold,
            "false_positives": self.alarms.as_dict(),
            "false_positives_by_system_prompts": self.system,
            "false_positives_before": self.before.as_dict(),
            "recall": self.caught.as_dict() if self.caught else None,
            "quantiles": self.quantiles,
        }


def calibrate(
    bundle: Path, data: Path, target: float, *, positives: Path | None = None, done: Done = unwatched
) -> Calibration:
    """data, positives: harmless and hostile requests (see `read_requests`).

    Raises EvaluationError if there are too few harmless ones to tell `target`, or if none of the
    thresholds meets it, be it for their system prompts alone.
    """
    harmless = list(read_requests(data))
    needed = math.ceil(FEWEST / target)
    if len(harmless) < needed:
        raise EvaluationError(
            f"{data} holds {len(harmless)} requests; a false-positive rate of {target:g} needs at least "
            f"{needed} (3 / {target:g}). Give more of them, or a higher --target-fpr."
        )
    hostile = list(read_requests(positives)) if positives else []
    with Judge(bundle) as judge:
        facts = judge.requests(harmless, done)
        return _fitted(judge.bundle, facts, judge.requests(hostile, done), target)


def overlay(found: Calibration, data: Path) -> str:
    """YAML to lay over a configuration, with how it was come by."""
    low, high = found.alarms.interval
    return (
        f"# Fitted by `vsr calibrate` to {found.rows} requests of {data.name}, bundle {found.bundle} "
        f"({found.digest[:12]}).\n"
        f"# False positives there: {found.alarms.hits} of {found.rows} (95 %, in-sample: {low:.4f} to "
        f"{high:.4f}), {found.system} of them by system prompts. Asked for: at most {found.target:g} of new "
        "requests.\n"
        "# It stands in place of the bundle's operating points, for requests of any length; another bundle\n"
        "# needs another one. `vsr config merge FILE THIS` puts both into one file.\n"
        f"global:\n  guards:\n    jailbreak:\n      threshold: {found.threshold}\n"
    )


def read_requests(path: Path) -> Iterator[Body]:
    """A request a line: bodies as clients send them, objects with `text`, or plain text (not `.jsonl`)."""
    try:
        lines = list(text_lines(path))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EvaluationError(f"{path} is not UTF-8 text") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _body(line, f"{path}:{number}") if path.suffix == ".jsonl" else body_of(line)


def _body(line: str, where: str) -> Body:
    try:
        row = json.loads(line)
    except ValueError:
        raise EvaluationError(f"{where} is not JSON") from None
    if isinstance(row, dict) and isinstance(row.get("text"), str):
        return body_of(row["text"])
    if not isinstance(row, dict) or "messages" not in row:
        raise EvaluationError(f"{where} needs a `text`, or the `messages` of a chat request")
    body = {"model": "auto", **row}
    try:
        parse_chat_request(body)
    except RequestError as error:
        raise EvaluationError(f"{where} is no chat request: {error.message}") from None
    return body


def _fitted(
    bundle: Bundle, harmless: Sequence[Facts], hostile: Sequence[Facts], target: float
) -> Calibration:
    by_system = [_alarms([one], math.inf) > 0 for one in harmless]
    system = sum(by_system)
    # a new request is as likely to come between any two of these, in the order of their risks, so of `a`
    # alarms here (a + 1) / (n + 1) are to be expected of new ones
    alarms = math.floor(target * (len(harmless) + 1) + 1e-9) - 1
    if system > alarms:
        raise EvaluationError(
            f"{system} of {len(harmless)} requests alarm by their system prompts, too many for {target:g}, "
            "and the threshold is not for these. Leave system prompts out of the requests, and raise "
            "global.guards.jailbreak.system_threshold by hand."
        )
    risks = [_risk(one) for one in harmless]
    fitted = [math.inf if alarm else risk for alarm, risk in zip(by_system, risks, strict=True)]
    threshold = math.ceil(threshold_at(fitted, alarms / len(risks)) * 1e5) / 1e5
    if threshold > 1:
        raise EvaluationError(
            f"more than {target:g} of the requests have the highest risk there is; are they harmless?"
        )
    return Calibration(
        bundle=bundle.manifest.version,
        digest=bundle.digest,
        rows=len(risks),
        target=target,
        threshold=threshold,
        alarms=Share(_alarms(harmless, threshold), len(risks)),
        system=system,
        before=Share(_alarms(harmless, None), len(risks)),
        caught=Share(_alarms(hostile, threshold), len(hostile)) if hostile else None,
        quantiles={f"{q:g}": round(float(np.quantile(risks, q)), 5) for q in QUANTILES},
    )


def _risk(facts: Facts) -> float:
    """Of the riskiest window outside system passages, which have a threshold of their own."""
    windows = facts.readings.jailbreak if facts.readings else ()
    return max((w.risk for w in windows if facts.passages[w.passage].role != "system"), default=0.0)


def _alarms(requests: Sequence[Facts], threshold: float | None) -> int:
    """How many the guard would refuse, system passages included; None: at the bundle's operating points."""
    guard = PromptGuard(threshold=threshold)
    return sum(assess_prompt(facts, guard).state == "violating" for facts in requests)
