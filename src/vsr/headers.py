"""Headers of the router: which a client may not send, and which tell it what was decided.

Names and formats are the original's (schema version 2). Values never carry text of a request.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Mapping

from vsr.config.headers import printable
from vsr.config.policy import Policy
from vsr.decisions.projections import project
from vsr.facts import Entity, Facts
from vsr.identity.keys import CREDENTIAL_HEADERS
from vsr.route import Retention, Route, SystemPrompt

SELECTED_MODEL = "x-selected-model"
DESTINATION = "x-gateway-destination-endpoint"
REQUEST_ID = "x-request-id"
DEBUG = "x-vsr-debug"

_RESERVED = frozenset({SELECTED_MODEL, DESTINATION})
_RESERVED_PREFIXES = ("x-vsr-", "x-authz-", "x-gateway-")
_PLURAL = {
    "keyword": "keywords",
    "embedding": "embeddings",
    "domain": "domains",
    "projection": "projections",
}
"""Families of signals that the original names in the plural; others go by their type."""
_REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def is_reserved(name: str) -> bool:
    """True for routing, identity and credential headers, which no client hands through to a back end."""
    return name in _RESERVED or name in CREDENTIAL_HEADERS or name.startswith(_RESERVED_PREFIXES)


def request_id(headers: Mapping[str, str]) -> str:
    """The client's id if it is well-formed, else a new one."""
    given = headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def describe(route: Route, *, path: str, success: bool, reveal: bool = True) -> dict[str, str]:
    """Headers of an answer: the keystones always, what was decided on success (§1.3).

    path: value of `x-vsr-response-path`. reveal False keeps everything but the keystones back.
    """
    headers = {"x-vsr-schema-version": "2", "x-vsr-response-path": path}
    if not reveal:
        return headers
    if route.category:
        headers["x-vsr-selected-category"] = printable(route.category)
    headers["x-vsr-selected-confidence"] = f"{route.confidence or route.category_confidence:.4f}"
    headers.update(_guards(route))
    if not success:
        return headers
    optional = {
        "x-vsr-selected-recipe": route.recipe if route.recipe != "default" else "",
        "x-vsr-selected-decision": route.decision,
        "x-vsr-selected-algorithm": route.algorithm,
        "x-vsr-selected-model": route.selected_model,
        "x-vsr-selected-reasoning": "" if route.reasoning is None else ("on" if route.reasoning else "off"),
    }
    headers.update({name: printable(value) for name, value in optional.items() if value})
    return headers | _retention(route.retention)


def _retention(retention: Retention | None) -> dict[str, str]:
    if retention is None:
        return {}
    fields = {
        "drop": retention.drop,
        "ttl-turns": retention.ttl_turns,
        "keep-current-model": retention.keep_current_model,
        "prefer-prefix": retention.prefer_prefix,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return {f"x-vsr-retention-{name}": str(value).lower() for name, value in given.items()}


def _guards(route: Route) -> dict[str, str]:
    headers = {}
    jailbreak, pii = route.finding("jailbreak"), route.finding("pii")
    if jailbreak and jailbreak.state == "violating":
        if jailbreak.shadow:
            headers["x-vsr-shadow"] = "jailbreak"
        elif route.outcome == "refuse":
            headers["x-vsr-jailbreak-blocked"] = "true"
        headers["x-vsr-jailbreak-confidence"] = f"{jailbreak.score:.4f}"
    if pii and pii.types:
        headers["x-vsr-pii-types"] = ",".join(pii.types)
        if pii.state == "violating":
            headers["x-vsr-pii-violation"] = "true"
            if pii.shadow:
                headers["x-vsr-shadow"] = ",".join(filter(None, (headers.get("x-vsr-shadow"), "pii")))
    if route.mask:
        headers["x-vsr-pii-masked"] = count_types(route.mask)
    return headers


def count_types(entities: tuple[Entity, ...]) -> str:
    """`EMAIL_ADDRESS=2,PERSON=1`: types and counts, never values."""
    counts = Counter(entity.type for entity in entities)
    return ",".join(f"{kind}={number}" for kind, number in sorted(counts.items()))


def debug(facts: Facts, route: Route, policy: Policy) -> dict[str, str]:
    """What `x-vsr-debug: true` adds: the matched signals by family as the decisions saw them, how much was
    read, and whether the model got a system prompt of the router's."""
    matched: dict[str, list[str]] = {}
    projections = policy.for_model(route.requested_model).projections
    for signal in project(projections, facts.signals).signals.values():
        if signal.matched:
            matched.setdefault(signal.type, []).append(signal.name)
    headers = {
        f"x-vsr-matched-{_PLURAL.get(kind, kind).replace('_', '-')}": printable(",".join(names))
        for kind, names in sorted(matched.items())
    }
    called = route.outcome in ("forward", "compose")
    prompted = called and any(isinstance(plugin, SystemPrompt) for plugin in route.plugins)
    headers["x-vsr-injected-system-prompt"] = str(prompted).lower()
    if facts.readings is not None:
        headers["x-vsr-context-token-count"] = str(facts.readings.coverage.tokens)
    return headers
