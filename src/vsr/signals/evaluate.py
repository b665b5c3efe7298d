"""All signals of one request: every configured rule, evaluated on what was read.

This is the whole of `signals` for a caller. Deciding what follows from signals is not done here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from vsr.config.policy import Policy
from vsr.facts import Entity, Passage, Readings, Signal
from vsr.signals import domain, jailbreak, keyword, pii

SignalMap = dict[tuple[str, str], Signal]


def compute_signals(
    policy: Policy,
    passages: Sequence[Passage],
    ask: Collection[int],
    readings: Readings | None,
    encoder_error: str,
    entities: Sequence[Entity],
    operating_points: Mapping[str, float],
) -> SignalMap:
    """Every rule of `policy.signals`, keyed by type and name.

    ask: indices of the passages that hold the routing text. readings None: the encoder could not
    answer, `encoder_error` says why, and signals that need it carry that error.
    """
    rules = policy.signals
    text = "\n".join(passages[index].text.reveal() for index in sorted(ask)) if rules.keywords else ""
    signals = keyword.evaluate(rules.keywords, text)
    error = "" if readings is not None else encoder_error or "the encoder did not answer"
    signals += pii.evaluate(rules.piis, entities, ask, error)
    if readings is None:
        signals += [Signal("domain", rule.name, False, 0.0, error=error) for rule in rules.domains]
        signals += [Signal("jailbreak", rule.name, False, 0.0, error=error) for rule in rules.jailbreaks]
    else:
        signals += domain.evaluate(rules.domains, readings.domain, policy.fallback_category)
        signals += jailbreak.evaluate(rules.jailbreaks, readings.jailbreak, passages, ask, operating_points)
    return {signal.key: signal for signal in signals}
