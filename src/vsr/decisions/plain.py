"""Facts and routes as plain JSON values, for traces. Types, counts and scores, never text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from vsr.facts import Coverage, Signal
from vsr.route import Finding, Plugin, Retention, Route

_PLUGINS: Final = {"PiiPolicy": "pii"}


def signal_as_dict(signal: Signal) -> dict[str, Any]:
    return {
        "type": signal.type,
        "name": signal.name,
        "matched": signal.matched,
        "confidence": signal.confidence,
        "threshold": signal.threshold,
        "label": signal.label,
        "detail": signal.detail,
        "error": signal.error,
        "value": signal.value,
        "labels": dict(signal.labels),
        "seconds": signal.seconds,
    }


def finding_as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "guard": finding.guard,
        "state": finding.state,
        "score": finding.score,
        "threshold": finding.threshold,
        "types": list(finding.types),
        "shadow": finding.shadow,
        "reason": finding.reason,
    }


def coverage_as_dict(coverage: Coverage | None) -> dict[str, Any] | None:
    if coverage is None:
        return None
    return {
        "tokens": coverage.tokens,
        "windows": coverage.windows,
        "memo_hits": coverage.memo_hits,
        "domain_tokens": coverage.domain_tokens,
        "unread": list(coverage.unread),
        "disguises": list(coverage.disguises),
    }


def route_as_dict(route: Route) -> dict[str, Any]:
    """The plugins by name only: their texts are the operator's and may be long."""
    return {
        "outcome": route.outcome,
        "requested_model": route.requested_model,
        "model": route.selected_model,
        "model_id": route.model_id,
        "backends": list(route.backends),
        "decision": route.decision,
        "confidence": route.confidence,
        "category": route.category,
        "category_confidence": route.category_confidence,
        "algorithm": route.algorithm,
        "members": list(route.members),
        "reasoning": route.reasoning,
        "reasoning_effort": route.reasoning_effort,
        "plugins": [plugin_name(plugin) for plugin in route.plugins],
        "masked": dict(sorted(Counter(entity.type for entity in route.mask).items())),
        "reason": route.reason,
        "recipe": route.recipe,
        "retention": retention_as_dict(route.retention),
    }


def plugin_name(plugin: Plugin) -> str:
    """Its `type` in a configuration."""
    kind = type(plugin).__name__
    return _PLUGINS.get(kind) or re.sub("(?<=.)(?=[A-Z])", "_", kind).lower()


def retention_as_dict(retention: Retention | None) -> dict[str, Any]:
    """What is said, and nothing of what is not."""
    if retention is None:
        return {}
    fields = {
        "drop": retention.drop,
        "ttl_turns": retention.ttl_turns,
        "keep_current_model": retention.keep_current_model,
        "prefer_prefix_retention": retention.prefer_prefix,
    }
    return {name: value for name, value in fields.items() if value is not None}
