"""Judge and decide: the only two places where anything about a request is computed or chosen.

`judge` reads a request once into facts (asynchronous: one encoder pass, the pattern recognisers, the
signals). `decide` turns facts into a route: a pure function of facts, policy and a seed, so it can be
replayed. Both doors, the classification and eval API, `vsr explain` and every test go through here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from vsr.chat.request import ChatRequest
from vsr.config.policy import Policy
from vsr.decisions.engine import handles, winner
from vsr.encoder.encoder import Encoder
from vsr.errors import Overloaded, TooLarge, VSRError
from vsr.facts import Entity, Facts, Passage, Readings
from vsr.guards.pii import PiiAssessment, assess_pii
from vsr.guards.prompt import assess_prompt
from vsr.route import FastResponse, Finding, PiiAction, PiiPolicy, Plugin, Route
from vsr.selection.backends import order_backends
from vsr.selection.static import Choice, select, select_by_category
from vsr.signals.evaluate import compute_signals
from vsr.signals.identifiers import find_identifiers, merge_entities

logger = logging.getLogger(__name__)

_LONG = 20_000  # characters from which on pattern search leaves the event loop
_SEVERITY: dict[PiiAction, int] = {"log": 0, "mask": 1, "block": 2}


async def judge(
    request: ChatRequest, policy: Policy, encoder: Encoder | None, *, deadline: float | None = None
) -> Facts:
    """Everything known about a request.

    deadline: loop time until which the encoder may take; by default `timeouts.judge` and more for
    long prompts. An encoder that fails, is full or too slow is not an error here: the facts say so and
    the guards' policy decides. Raises TooLarge for a prompt over `limits.max_prompt_tokens`.
    """
    started = time.perf_counter()
    passages = request.passages
    estimate = estimate_tokens(passages)
    if estimate > policy.limits.max_prompt_tokens:
        raise TooLarge(
            f"The prompt has about {estimate} tokens; this router reads at most "
            f"{policy.limits.max_prompt_tokens}, and nothing reaches a model unread."
        )
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + policy.timeouts.judge + estimate / 5_000
    reading = asyncio.ensure_future(_read(encoder, request, deadline))
    try:
        patterns = await _patterns(passages)
        readings, encoder_error = await reading
    finally:
        reading.cancel()
    if readings is not None and request.unread:
        readings = replace(readings, coverage=replace(readings.coverage, unread=request.unread))
    entities = merge_entities(passages, readings.entities if readings else (), patterns)
    points = _operating_points(encoder, readings)
    signals = compute_signals(policy, passages, request.ask, readings, encoder_error, entities, points)
    return Facts(
        passages=passages,
        readings=readings,
        signals=signals,
        entities=entities,
        encoder_error=encoder_error,
        operating_points=points,
        seconds=time.perf_counter() - started,
    )


def estimate_tokens(passages: Sequence[Passage]) -> int:
    """An upper guess without tokenising: a token has about four letters, or is one other character."""
    characters = sum(len(passage.text) for passage in passages)
    encoded = sum(len(passage.text.reveal().encode("utf-8", "surrogatepass")) for passage in passages)
    wide = (encoded - characters) // 2  # a Chinese character is three bytes
    return (characters - wide) // 4 + wide + 1 if passages else 0


async def _read(
    encoder: Encoder | None, request: ChatRequest, deadline: float
) -> tuple[Readings | None, str]:
    if encoder is None:
        return None, "no encoder is loaded"
    try:
        return await encoder.read(request.passages, request.ask, deadline=deadline), ""
    except Overloaded:
        return None, "overloaded"
    except VSRError as error:
        logger.warning("the encoder could not answer: %s", type(error).__name__)
        return None, type(error).__name__


async def _patterns(passages: Sequence[Passage]) -> list[Entity]:
    if sum(len(passage.text) for passage in passages) < _LONG:
        return _find_all(passages)
    return await asyncio.to_thread(_find_all, passages)


def _find_all(passages: Sequence[Passage]) -> list[Entity]:
    return [
        Entity(kind, index, start, end, score, "pattern")
        for index, passage in enumerate(passages)
        for kind, start, end, score in find_identifiers(passage.text.reveal())
    ]


def _operating_points(encoder: Encoder | None, readings: Readings | None) -> dict[str, float]:
    if encoder is None or readings is None:
        return {}
    windows = max(1, len(readings.jailbreak))
    bundle = encoder.bundle
    return {
        "any": bundle.jailbreak_threshold("any", windows),
        "system": bundle.jailbreak_threshold("system", windows),
    }


def decide(requested: str, facts: Facts, policy: Policy, *, seed: int = 0) -> Route:
    """The route of a judged request: pure, the same for the same arguments.

    requested: the model name of the client. seed: picks among weighted back ends.
    """
    category, category_confidence = _category(facts, policy)
    route = Route(
        outcome="forward",
        requested_model=requested,
        category=category,
        category_confidence=category_confidence,
    )
    plugins: tuple[Plugin, ...] = ()
    handled: frozenset[str] = frozenset()
    if requested in policy.auto_names:
        match = winner(policy, facts.signals)
        if match is not None:
            decision = match.decision
            plugins = decision.plugins
            handled = frozenset(
                kind for kind in ("jailbreak", "pii") if handles(decision.rules, facts.signals, kind)
            )
            route = replace(route, decision=decision.name, confidence=match.confidence, plugins=plugins)
            choice = select(decision.models, category, policy) if decision.models else None
            reason = f"decision {decision.name} matched"
        else:
            choice = select_by_category(category, policy)
            reason = f"best model for {category}" if choice else ""
            route = replace(route, confidence=category_confidence)
        if choice is None and not _fast_response(plugins):
            choice = Choice(model=policy.default_model) if policy.default_model else None
            reason = reason or f"nothing matched: default model (category {category or 'unknown'})"
            if choice is None:
                return replace(route, outcome="unroutable", reason="nothing matched, no default model")
        route = _with_choice(route, choice, policy, reason)
    elif (model := _named(requested, policy)) is not None:
        route = replace(
            route,
            model=model,
            model_id=_model_id(model, requested if requested != model else "", policy),
            reason="the client named this model",
            algorithm="specified",
        )
    else:
        return replace(route, outcome="unknown_model", reason="the client named a model nobody configured")
    return _with_guards(_with_backends(route, policy, seed), facts, policy, plugins, handled)


def _category(facts: Facts, policy: Policy) -> tuple[str, float]:
    """The surest domain that matched; a likely class that no rule claims, under its own name; else the
    fallback category. Nothing where nothing was read."""
    if facts.readings is None or not facts.readings.domain:
        return "", 0.0
    matched = [one for one in facts.signals.values() if one.type == "domain" and one.matched]
    if matched:
        best = max(matched, key=lambda one: one.confidence)
        return best.name, best.confidence
    label, confidence = max(facts.readings.domain.items(), key=lambda item: item[1])
    claimed = any(label in rule.classes for rule in policy.signals.domains)
    if claimed or confidence < policy.domain_threshold:
        return policy.fallback_category, confidence
    return label, confidence


def _fast_response(plugins: Sequence[Plugin]) -> str:
    return next((plugin.message for plugin in plugins if isinstance(plugin, FastResponse)), "")


def _with_choice(route: Route, choice: Choice | None, policy: Policy, reason: str) -> Route:
    if choice is None:
        return replace(route, reason=reason)
    family = policy.models[choice.model].reasoning_family
    return replace(
        route,
        model=choice.model,
        model_id=_model_id(choice.model, choice.lora, policy),
        algorithm=choice.algorithm,
        scores=choice.scores,
        reasoning=choice.reasoning if family else None,
        reasoning_effort=(choice.effort or policy.default_reasoning_effort) if choice.reasoning else "",
        reason=reason,
    )


def _named(requested: str, policy: Policy) -> str | None:
    if requested in policy.models:
        return requested
    return next((name for name, model in policy.models.items() if requested in model.loras), None)


def _model_id(model: str, lora: str, policy: Policy) -> str:
    return lora or policy.models[model].model_id


def _with_backends(route: Route, policy: Policy, seed: int) -> Route:
    if not route.model:
        return route
    return replace(route, backends=order_backends(policy.models[route.model], seed))


def _with_guards(
    route: Route, facts: Facts, policy: Policy, plugins: Sequence[Plugin], handled: frozenset[str]
) -> Route:
    """What the guards say about this route; a decision that handles a verdict is left to do so."""
    prompt = assess_prompt(facts, policy.guards.jailbreak)
    pii = _strictest(
        [
            assess_pii(facts, policy.guards.pii, rules)
            for rules in _pii_policies(route, policy, plugins, handled)
        ]
    )
    findings = (prompt, pii.finding)
    route = replace(route, findings=findings, mask=pii.mask)
    acting = [
        finding
        for finding in findings
        if finding.acts and not (finding.state == "violating" and finding.guard in handled)
    ]
    violating = [finding for finding in acting if finding.state == "violating"]
    if violating:
        reason = _because(acting, "violating")
        return replace(route, outcome="refuse", refused_by=violating[0].guard, reason=reason)
    if acting:
        return replace(route, outcome="unavailable", reason=_because(acting, "unavailable"))
    message = _fast_response(plugins)
    if message:
        return replace(route, outcome="answer", message=message)
    return route


def _because(findings: Sequence[Finding], state: str) -> str:
    return "; ".join(f"{finding.guard}: {finding.reason}" for finding in findings if finding.state == state)


def _pii_policies(
    route: Route, policy: Policy, plugins: Sequence[Plugin], handled: frozenset[str]
) -> list[PiiPolicy]:
    """Those of the decision and of the model; the global one where neither has any. A decision that
    handles personal data itself replaces the global one, never the model's."""
    own = [plugin for plugin in plugins if isinstance(plugin, PiiPolicy)]
    model = policy.models.get(route.model)
    if model is not None and model.pii is not None:
        own.append(model.pii)
    if own:
        return own
    return [PiiPolicy()] if "pii" in handled else [policy.guards.pii.policy]


def _strictest(assessments: Sequence[PiiAssessment]) -> PiiAssessment:
    """Several policies apply: the finding of the strictest, everything masked that any wants masked."""
    order = {"clean": 0, "violating": 2, "unavailable": 1}
    worst = max(assessments, key=lambda one: (order[one.finding.state], _SEVERITY[one.action]))
    mask = {entity: None for one in assessments for entity in one.mask}
    return replace(worst, mask=tuple(mask))
