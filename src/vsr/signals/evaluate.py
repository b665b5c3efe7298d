"""The signals that come off the encoder's one pass: every such rule, evaluated on what was read.

Deciding what follows from signals is not done here, nor is any text read.
"""

from __future__ import annotations

from vsr.config.policy_signals import Signals
from vsr.facts import Readings, Signal
from vsr.signals import domain, fact_check, jailbreak, pii, user_feedback
from vsr.signals.evidence import Evidence


def from_readings(rules: Signals, evidence: Evidence, fallback: str) -> list[Signal]:
    """fallback: the domain that holds when no other does. Without readings the signals carry the reason;
    a jailbreak rule that asks the head for nothing is not among them."""
    heads = tuple(rule for rule in rules.jailbreaks if rule.classifier)
    signals = pii.evaluate(rules.piis, evidence.entities, evidence.ask, evidence.unread)
    readings = evidence.readings
    if readings is None:
        unknown = [
            *(("domain", rule.name) for rule in rules.domains),
            *(("jailbreak", rule.name) for rule in heads),
            *(("fact_check", rule.name) for rule in rules.fact_checks),
            *(("user_feedback", rule.name) for rule in rules.feedbacks),
        ]
        return signals + [Signal(kind, name, False, 0.0, error=evidence.unread) for kind, name in unknown]
    signals += domain.evaluate(rules.domains, readings.domain, fallback)
    signals += jailbreak.evaluate(
        heads, readings.jailbreak, evidence.passages, evidence.ask, evidence.operating_points
    )
    return signals + _about_the_ask(rules, readings, evidence)


def _about_the_ask(rules: Signals, readings: Readings, evidence: Evidence) -> list[Signal]:
    checks = fact_check.evaluate(rules.fact_checks, readings.fact_check)
    feedback = user_feedback.evaluate(rules.feedbacks, readings.feedback, evidence.conversation)
    return checks + feedback
