"""Checks of `routing.decisions`: they refer to what exists, can match, and can be carried out."""

from __future__ import annotations

from collections.abc import Mapping

from vsr.config.headers import header_complaint
from vsr.config.labels import domain_label
from vsr.config.lint.context import Context, check_model, check_pii_types, check_reasoning, check_unique
from vsr.config.lint.logic import implies, is_never_true
from vsr.config.paths import KeyPath, Report, suggest
from vsr.config.resolve import strategy
from vsr.config.schema.routing import Decision, HeaderMutationPlugin, PiiPlugin, Rule

_ROOT: KeyPath = ("routing", "decisions")


def check_decisions(context: Context) -> None:
    decisions = context.document.routing.decisions
    check_unique((decision.name for decision in decisions), _ROOT, "decision", context.report)
    signals = _signal_names(context)
    for index, decision in enumerate(decisions):
        path = (*_ROOT, index)
        if decision.rules is not None:
            found = len(context.report.errors)
            _check_rule(decision.rules, (*path, "rules"), signals, context.report)
            if found == len(context.report.errors) and is_never_true(decision.rules):
                message = f"decision '{decision.name}' can never match: its rules contradict each other"
                context.report.error((*path, "rules"), message)
        _check_models(decision, path, context)
        _check_plugins(decision, path, context.report)
    _check_shadowed(context)


def _signal_names(context: Context) -> Mapping[str, set[str]]:
    """Per signal type; a domain may also be referred to by one of its labels."""
    signals = context.document.routing.signals
    labels = {domain_label(label) for domain in signals.domains for label in domain.mmlu_categories}
    return {
        "domain": {domain.name for domain in signals.domains} | labels,
        "keyword": {rule.name for rule in signals.keywords},
        "jailbreak": {rule.name for rule in signals.jailbreak},
        "pii": {rule.name for rule in signals.pii},
    }


def _check_rule(rule: Rule, path: KeyPath, signals: Mapping[str, set[str]], report: Report) -> None:
    if rule.type is not None:
        known = signals[rule.type]
        if rule.name not in known and not (rule.type == "domain" and domain_label(rule.name) in known):
            near = suggest(rule.name, known)
            report.error((*path, "name"), f"there is no {rule.type} signal '{rule.name}'{near}")
        return
    if rule.operator == "NOT" and len(rule.conditions) != 1:
        report.error(path, f"NOT takes exactly one condition, not {len(rule.conditions)}")
    elif not rule.conditions:
        report.error(path, f"{rule.operator} has no conditions; leave rules out to match every request")
    for index, condition in enumerate(rule.conditions):
        _check_rule(condition, (*path, "conditions", index), signals, report)


def _check_models(decision: Decision, path: KeyPath, context: Context) -> None:
    answers = any(plugin.type == "fast_response" for plugin in decision.plugins)
    if not decision.modelRefs and not answers:
        message = f"decision '{decision.name}' does nothing: give modelRefs or the plugin fast_response"
        context.report.error(path, message)
    for index, ref in enumerate(decision.modelRefs):
        check_model(ref.model, ref.lora_name, (*path, "modelRefs", index), context)
        check_reasoning(ref.model, ref.use_reasoning, (*path, "modelRefs", index), context)


def _check_plugins(decision: Decision, path: KeyPath, report: Report) -> None:
    types = (plugin.type for plugin in decision.plugins)
    check_unique(types, (*path, "plugins"), "plugin", report, field="type")
    for index, plugin in enumerate(decision.plugins):
        where = (*path, "plugins", index, "configuration")
        if isinstance(plugin, HeaderMutationPlugin):
            _check_headers(plugin, where, report)
        elif isinstance(plugin, PiiPlugin):
            check_pii_types(
                plugin.configuration.pii_types_allowed or (), (*where, "pii_types_allowed"), report
            )
            acts = plugin.configuration.action in ("mask", "block")
            if acts and plugin.configuration.pii_types_allowed is None:
                report.error((*where, "action"), NOTHING_TO_ACT_ON.format(plugin.configuration.action))


NOTHING_TO_ACT_ON = (
    "action {} needs pii_types_allowed, the types that may pass; [] lets none pass. "
    "Without the list every type may pass and nothing would happen"
)


def _check_headers(plugin: HeaderMutationPlugin, path: KeyPath, report: Report) -> None:
    configuration = plugin.configuration
    for key, fields in (("add", configuration.add), ("update", configuration.update)):
        for index, field in enumerate(fields):
            if complaint := header_complaint(field.name, field.value):
                report.error((*path, key, index), complaint)
    for index, name in enumerate(configuration.delete):
        if complaint := header_complaint(name):
            report.error((*path, "delete", index), complaint)


def _check_shadowed(context: Context) -> None:
    """A decision is dead if one that always comes before it matches whenever it does."""
    decisions = context.document.routing.decisions
    tiers = any(decision.tier for decision in decisions)
    by_priority = strategy(context.document) == "priority"
    for index, decision in enumerate(decisions):
        for other in decisions:
            earlier = other.priority > decision.priority
            first = 0 < other.tier < decision.tier if tiers else by_priority and earlier
            if first and implies(decision.rules, other.rules):
                message = (
                    f"decision '{decision.name}' can never win: '{other.name}' comes first and matches too"
                )
                context.report.error((*_ROOT, index), message)
                break
