"""The decisions of a document that passed every check, as the policy holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vsr.config.compile_loopers import LOOPERS, compile_looper
from vsr.config.compile_projections import compile_bounds, signal_reference
from vsr.config.compile_selection import compile_choosing
from vsr.config.policy import Branch, Decision, Leaf, ModelRef, RuleNode
from vsr.config.policy_selection import STATIC, Prompt
from vsr.config.resolve import lora_owners, pii_policy, resolve_model
from vsr.config.schema import Document
from vsr.config.schema import decisions as schema
from vsr.config.schema.signals import DomainSignal
from vsr.route import FastResponse, HeaderMutation, Plugin, Retention, SystemPrompt


def compile_decision(decision: schema.Decision, document: Document) -> Decision:
    owners = lora_owners(document)
    algorithm = decision.algorithm
    loops = algorithm.type in LOOPERS
    choosing = STATIC if loops else compile_choosing(decision, document)
    asking = choosing.algorithm if isinstance(choosing.algorithm, Prompt) else None
    return Decision(
        name=decision.name,
        priority=decision.priority,
        tier=decision.tier,
        rules=compile_rule(decision.rules, document.routing.signals.domains) if decision.rules else None,
        models=tuple(_model_ref(ref, owners) for ref in decision.modelRefs),
        choosing=choosing,
        looper=compile_looper(algorithm) if loops else asking,
        plugins=tuple(_plugins(decision.plugins)),
        description=decision.description,
        retention=_retention(decision.emits),
        annotations=decision.annotations,
    )


def compile_rule(rule: schema.Rule, domains: tuple[DomainSignal, ...]) -> RuleNode:
    if rule.operator is not None:
        return Branch(rule.operator, tuple(compile_rule(condition, domains) for condition in rule.conditions))
    kind = rule.type or ""
    name, verdict = signal_reference(kind, rule.name, domains)
    predicate = compile_bounds(rule.predicate) if rule.predicate else None
    return Leaf(kind, name, rule.on_error, rule.label or verdict, predicate)


def _retention(emits: tuple[schema.Emit, ...]) -> Retention | None:
    for emit in emits:
        given = emit.retention
        return Retention(given.drop, given.ttl_turns, given.keep_current_model, given.prefer_prefix_retention)
    return None


def _model_ref(ref: schema.ModelRef, owners: Mapping[str, str]) -> ModelRef:
    model, lora = resolve_model(ref.model, ref.lora_name, owners)
    return ModelRef(model, lora, ref.weight, ref.use_reasoning, ref.reasoning_effort or "")


def _plugins(plugins: Iterable[schema.Plugin]) -> Iterable[Plugin]:
    for plugin in plugins:
        if isinstance(plugin, schema.FastResponsePlugin):
            yield FastResponse(plugin.configuration.message)
        elif isinstance(plugin, schema.SystemPromptPlugin) and plugin.configuration.enabled:
            mode = plugin.configuration.mode
            yield SystemPrompt(
                plugin.configuration.system_prompt, "insert" if mode == "insert" else "replace"
            )
        elif isinstance(plugin, schema.HeaderMutationPlugin):
            yield _header_mutation(plugin.configuration)
        elif isinstance(plugin, schema.PiiPlugin) and plugin.configuration.enabled:
            yield pii_policy(plugin.configuration.pii_types_allowed, plugin.configuration.action)


def _header_mutation(configuration: schema.HeaderMutationConfiguration) -> HeaderMutation:
    return HeaderMutation(
        add=tuple((field.name.lower(), field.value) for field in configuration.add),
        update=tuple((field.name.lower(), field.value) for field in configuration.update),
        delete=tuple(name.lower() for name in configuration.delete),
    )
