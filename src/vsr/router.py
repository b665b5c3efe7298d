"""Judge and decide: the only two places where anything about a request is computed or chosen.

`judge` reads a request once into facts (asynchronous: one encoder pass, the pattern recognisers, the
signals). `decide` turns facts into a route: a pure function of facts, policy and a seed, so it can be
replayed. Both doors, the classification and eval API, `vsr explain` and every test go through here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from vsr.chat import fields
from vsr.chat.edit import touched
from vsr.chat.request import ChatRequest
from vsr.config.policy import Decision, ModelRef, Policy, Prompt
from vsr.decisions.engine import Signals, winner
from vsr.decisions.handling import handled
from vsr.decisions.projections import project
from vsr.decisions.trace import Trace, trace
from vsr.encoder.encoder import Encoder
from vsr.errors import Overloaded, TooLarge, VSRError
from vsr.facts import Entity, Facts, Passage, Readings
from vsr.guards.pii import PiiAssessment, assess_pii
from vsr.guards.prompt import assess_prompt
from vsr.route import FastResponse, Finding, PiiAction, PiiPolicy, Plugin, Route
from vsr.selection.backends import order_backends
from vsr.selection.choice import Choice, Question, Unselectable
from vsr.selection.choose import choose, must_ask, that_can_read
from vsr.selection.members import members, name_of
from vsr.selection.question import question
from vsr.selection.state import NOTHING_KNOWN, State
from vsr.selection.static import select_by_category
from vsr.signals.authz import NOBODY, Caller
from vsr.signals.context import estimate_tokens
from vsr.signals.disguise import (
    as_passages,
    in_plain_form,
    told,
    undisguise,
    with_plain_form,
    with_stretches,
)
from vsr.signals.engine import SignalEngine
from vsr.signals.evidence import evidence_of
from vsr.signals.identifiers import find_identifiers, merge_entities

logger = logging.getLogger(__name__)

T = TypeVar("T")

_LONG = 20_000  # characters from which on pattern search leaves the event loop
_SEVERITY: dict[PiiAction, int] = {"log": 0, "mask": 1, "block": 2}


async def judge(
    request: ChatRequest,
    policy: Policy,
    encoder: Encoder | None,
    *,
    deadline: float | None = None,
    signals: SignalEngine | None = None,
    caller: Caller = NOBODY,
    everything: bool = False,
) -> Facts:
    """Everything known about a request.

    deadline: loop time until which the encoder may take; by default `timeouts.judge` and more for
    long prompts. An encoder that fails, is full or too slow is not an error here: the facts say so and
    the guards' policy decides. signals: made for `policy`; without it, rules with examples carry an
    error. everything: also the signals that nothing names.

    Raises TooLarge for a prompt over `limits.max_prompt_tokens`.
    """
    started = time.perf_counter()
    engine = signals or SignalEngine(policy)
    policy = policy.for_model(request.model)
    passages = request.passages
    estimate = estimate_tokens(passages)
    if estimate > policy.limits.max_prompt_tokens:
        raise TooLarge(
            f"The prompt has about {estimate} tokens; this router reads at most "
            f"{policy.limits.max_prompt_tokens}, and nothing reaches a model unread."
        )
    if deadline is None:
        deadline = asyncio.get_running_loop().time() + time_to_read(policy, estimate)
    reading = asyncio.ensure_future(_read(encoder, request, deadline))
    guarding = asyncio.ensure_future(engine.guard(passages, deadline)) if engine.guarded else None
    try:
        patterns = await _patterns(passages)
        readings, encoder_error = await reading
        remote = await guarding if guarding else None
    finally:
        reading.cancel()
        if guarding:
            guarding.cancel()
    if readings is not None and request.unread:
        unread = (*request.unread, *readings.coverage.unread)
        readings = replace(readings, coverage=replace(readings.coverage, unread=unread))
    heard = (
        [entity for entity in readings.entities if not _names_a_call(passages, entity)] if readings else []
    )
    entities = merge_entities(passages, heard, patterns)
    points = _operating_points(encoder, readings)
    evidence = evidence_of(request, readings, encoder_error, entities, points, caller, deadline)
    found = await engine.compute(policy, evidence, everything=everything)
    return Facts(
        passages=passages,
        readings=readings,
        signals=found if remote is None else {**found, remote.key: remote},
        entities=entities,
        encoder_error=encoder_error,
        operating_points=points,
        seconds=time.perf_counter() - started,
    )


def time_to_read(policy: Policy, tokens: int) -> float:
    """Seconds that the encoder may take: `timeouts.judge`, and more for long texts."""
    return policy.timeouts.judge + tokens / 5_000


async def _read(
    encoder: Encoder | None, request: ChatRequest, deadline: float
) -> tuple[Readings | None, str]:
    if encoder is None:
        return None, "no encoder is loaded"
    try:
        readings = await encoder.read(request.passages, request.ask, deadline=deadline)
        return await _read_disguised(encoder, request.passages, readings, deadline), ""
    except Overloaded:
        return None, "overloaded"
    except VSRError as error:
        logger.warning("the encoder could not answer: %s", type(error).__name__)
        return None, type(error).__name__


async def _read_disguised(
    encoder: Encoder, passages: Sequence[Passage], readings: Readings, deadline: float
) -> Readings:
    """The same with what encoded, folded or spaced-out text says, for the prompt guard."""
    found = await _off_the_loop(lambda passages: undisguise(passages, encoder.knows), passages)
    if found.instead:
        heard = await encoder.read(in_plain_form(passages, found), (), deadline=deadline)
        readings = with_plain_form(readings, found, heard)
    if found.beside:
        heard = await encoder.read(as_passages(passages, found.beside), (), deadline=deadline)
        readings = with_stretches(readings, found.beside, heard)
    return told(readings, found) if found.kinds else readings


async def _patterns(passages: Sequence[Passage]) -> list[Entity]:
    return await _off_the_loop(_find_all, passages)


async def _off_the_loop(work: Callable[[Sequence[Passage]], T], passages: Sequence[Passage]) -> T:
    """`work(passages)`, in a thread if the text is long."""
    if sum(len(passage.text) for passage in passages) < _LONG:
        return work(passages)
    return await asyncio.to_thread(work, passages)


def _find_all(passages: Sequence[Passage]) -> list[Entity]:
    return [
        Entity(kind, index, start, end, score, "pattern")
        for index, passage in enumerate(passages)
        for kind, start, end, score in find_identifiers(passage.text.reveal())
    ]


def _names_a_call(passages: Sequence[Passage], entity: Entity) -> bool:
    """Whether it lies in an identifier of the format. To the encoder many look like names or passwords, and
    masking one would tear a tool's result from its call."""
    passage = passages[entity.passage]
    leaves = [leaf for leaf, _, _ in touched(passage, entity)]
    text = passage.text.reveal()
    return all(fields.is_identifier(leaf.path, text[leaf.start : leaf.end]) for leaf in leaves)


def _operating_points(encoder: Encoder | None, readings: Readings | None) -> dict[str, float]:
    if encoder is None or readings is None:
        return {}
    bundle = encoder.bundle
    windows = bundle.guarded_windows(readings)
    return {
        "any": bundle.jailbreak_threshold("any", windows),
        "system": bundle.jailbreak_threshold("system", windows),
    }


def decide(
    requested: str, facts: Facts, policy: Policy, *, seed: int = 0, state: State = NOTHING_KNOWN
) -> Route:
    """The route of a judged request: pure, the same for the same arguments.

    requested: the model name of the client. seed: picks among weighted back ends.
    state: what selection knows of the time before this request.
    """
    policy = policy.for_model(requested)
    signals = project(policy.projections, facts.signals).signals
    category, category_confidence = _category(facts, signals, policy)
    route = Route(
        outcome="forward",
        requested_model=requested,
        recipe=policy.recipe,
        category=category,
        category_confidence=category_confidence,
    )
    plugins: tuple[Plugin, ...] = ()
    verdicts: frozenset[str] = frozenset()
    if requested in policy.auto_names:
        match = winner(policy, signals)
        if match is not None:
            decision = match.decision
            plugins = decision.plugins
            verdicts = handled(decision.rules, policy, facts.signals, signals)
            route = replace(
                route,
                decision=decision.name,
                confidence=match.confidence,
                plugins=plugins,
                retention=decision.retention,
            )
            asked = question(facts, decision.choosing.algorithm, category, decision.name, seed)
            if _composes(decision, asked, policy, state):
                route = _composed(route, decision, policy)
                return _with_guards(route, facts, policy, plugins, verdicts)
            try:
                choice = _choice(decision, asked, policy, state) if decision.models else None
            except Unselectable as error:
                return replace(route, outcome="unselected", reason=f"decision {decision.name}: {error}")
            reason = f"decision {decision.name} matched"
        elif requested in policy.looper_names:
            return replace(route, outcome="unroutable", reason="no decision of this kind matched")
        else:
            choice = _in_tool_loop(policy, state) or select_by_category(category, policy)
            reason = f"best model for {category}" if choice else ""
            route = replace(route, confidence=category_confidence)
        if choice is None and not _fast_response(plugins):
            choice = Choice(policy.default_model, policy.default_lora) if policy.default_model else None
            reason = reason or f"nothing matched: default model (category {category or 'unknown'})"
            if choice is None:
                return replace(route, outcome="unroutable", reason="nothing matched, no default model")
        route = _with_choice(route, choice, policy, reason)
    elif (model := _named(requested, policy)) is not None:
        lora = requested if requested != model else ""
        route = replace(
            route,
            model=model,
            lora=lora,
            model_id=_model_id(model, lora, policy),
            reason="the client named this model",
            algorithm="specified",
        )
    else:
        return replace(route, outcome="unknown_model", reason="the client named a model nobody configured")
    return _with_guards(_with_backends(route, policy, seed), facts, policy, plugins, verdicts)


def candidates_of(route: Route, facts: Facts, policy: Policy, *, seed: int = 0) -> tuple[ModelRef, ...]:
    """The models that may answer a composed route of which one is chosen by asking."""
    decision, asked = _asked_about(route, facts, policy.for_model(route.requested_model), seed)
    return that_can_read(decision.models, asked, policy)


def settle(route: Route, facts: Facts, policy: Policy, *, seed: int = 0, state: State) -> Route:
    """The same with its model, which `state.advice` tells; `unselected` if it may be none. What guards found
    stands: they saw the route as going to every model that may be called."""
    policy = policy.for_model(route.requested_model)
    decision, asked = _asked_about(route, facts, policy, seed)
    try:
        choice = _choice(decision, asked, policy, state)
    except Unselectable as error:
        return replace(route, outcome="unselected", reason=f"decision {decision.name}: {error}")
    return _with_choice(route, choice, policy, f"decision {decision.name} matched")


def _asked_about(route: Route, facts: Facts, policy: Policy, seed: int) -> tuple[Decision, Question]:
    decision = next(one for one in policy.decisions if one.name == route.decision)
    algorithm = decision.choosing.algorithm
    return decision, question(facts, algorithm, route.category, decision.name, seed)


def chosen(route: Route) -> ModelRef:
    """The model of a route as one of its candidates."""
    return ModelRef(
        route.model,
        route.lora,
        use_reasoning=route.reasoning is True,
        reasoning_effort=route.reasoning_effort,
    )


def for_member(route: Route, ref: ModelRef, policy: Policy, seed: int) -> Route:
    """How one of the calls of a composed route is forwarded."""
    choice = Choice(ref.model, ref.lora, ref.use_reasoning, ref.reasoning_effort, route.algorithm)
    member = _with_choice(replace(route, outcome="forward"), choice, policy, route.reason)
    return _with_backends(member, policy, seed)


def explain(
    requested: str, facts: Facts, policy: Policy, *, seed: int = 0, state: State = NOTHING_KNOWN
) -> Trace:
    """The route and all that led to it. For people: `decide` is asked many times over."""

    def choose(signals: Signals) -> Route:
        return decide(requested, replace(facts, signals=signals), policy, seed=seed, state=state)

    return trace(policy.for_model(requested), facts, choose)


def _composed(route: Route, decision: Decision, policy: Policy) -> Route:
    assert decision.looper is not None
    called = tuple(name_of(ref) for ref in members(decision, policy))
    algorithm = decision.looper.name
    reason = f"decision {decision.name} matched; {algorithm} calls {', '.join(called)}"
    return replace(route, outcome="compose", members=called, algorithm=algorithm, reason=reason)


def _composes(decision: Decision, asked: Question, policy: Policy, state: State) -> bool:
    algorithm = decision.choosing.algorithm
    if isinstance(algorithm, Prompt):
        return must_ask(decision.models, algorithm, asked, policy, state)
    return decision.looper is not None


def _choice(decision: Decision, asked: Question, policy: Policy, state: State) -> Choice:
    return choose(decision.models, decision.choosing, asked, policy, state)


def _in_tool_loop(policy: Policy, state: State) -> Choice | None:
    """The model of a tool loop that began without a decision too, while a domain or the default names it."""
    pin = state.pin
    if pin is None or not pin.tool_loop or not policy.learning.tool_loops or pin.decision:
        return None
    named = {(one.model, one.lora) for rule in policy.signals.domains for one in rule.model_scores}
    if (pin.model, pin.lora) not in named | {(policy.default_model, policy.default_lora)}:
        return None
    return Choice(pin.model, pin.lora, pin.reasoning, pin.effort, reason="a tool loop keeps its model")


def _category(facts: Facts, signals: Signals, policy: Policy) -> tuple[str, float]:
    """The surest domain that matched; a likely class that no rule claims, under its own name; else the
    fallback category. Nothing where nothing was read."""
    if facts.readings is None or not facts.readings.domain:
        return "", 0.0
    matched = [one for one in signals.values() if one.type == "domain" and one.matched]
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
        lora=choice.lora,
        model_id=_model_id(choice.model, choice.lora, policy),
        algorithm=choice.algorithm,
        instead_of=choice.instead_of,
        scores=choice.scores,
        reasoning=choice.reasoning if family else None,
        reasoning_effort=(choice.effort or policy.default_reasoning_effort) if choice.reasoning else "",
        reason=f"{reason}; {choice.reason}" if choice.reason else reason,
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
    """Those of the decision and of every model that is called; the global one for a model where neither
    has any. A decision that handles personal data itself replaces the global one, never a model's."""
    of_decision = [plugin for plugin in plugins if isinstance(plugin, PiiPolicy)]
    called = [_named(name, policy) for name in (route.model, *route.members) if name]
    of_models = [policy.models[model].pii if model else None for model in called] or [None]
    found = [*of_decision, *(one for one in of_models if one is not None)]
    if of_decision or None not in of_models:
        return found
    return [*found, PiiPolicy() if "pii" in handled else policy.guards.pii.policy]


def _strictest(assessments: Sequence[PiiAssessment]) -> PiiAssessment:
    """Several policies apply: the finding of the strictest, everything masked that any wants masked."""
    order = {"clean": 0, "violating": 2, "unavailable": 1}
    worst = max(assessments, key=lambda one: (order[one.finding.state], _SEVERITY[one.action]))
    mask = {entity: None for one in assessments for entity in one.mask}
    return replace(worst, mask=tuple(mask))
