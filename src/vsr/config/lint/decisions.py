"""Checks of `routing.decisions`: they refer to what exists, can match, and can be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vsr.config.compile_loopers import LOOPERS
from vsr.config.headers import mutation_complaint
from vsr.config.labels import domain_label
from vsr.config.lint.context import Context, check_model, check_pii_types, check_reasoning, check_unique
from vsr.config.lint.logic import Logic
from vsr.config.lint.loopers import check_looper
from vsr.config.lint.projections import output_names
from vsr.config.lint.selection import check_selection
from vsr.config.paths import KeyPath, Report, suggest
from vsr.config.resolve import signal_names, strategy
from vsr.config.schema.decisions import Decision, HeaderMutationPlugin, PiiPlugin, Rule, SystemPromptPlugin

_ROOT: KeyPath = ("routing", "decisions")
_LABELLED: Final = ("classifier", "complexity")


def check_decisions(context: Context) -> None:
    decisions = context.document.routing.decisions
    check_unique((decision.name for decision in decisions), _ROOT, "decision", context.report)
    logic = Logic(context.document.routing)
    for index, decision in enumerate(decisions):
        path = (*_ROOT, index)
        if decision.rules is not None:
            found = len(context.report.errors)
            check_rule(decision.rules, (*path, "rules"), context)
            if found == len(context.report.errors):
                _check_sense(decision.name, decision.rules, (*path, "rules"), logic, context.report)
        _check_models(decision, path, context)
        if decision.algorithm.type in LOOPERS:
            check_looper(context, decision, path)
        else:
            check_selection(context, decision, path)
        _check_iterations(decision, path, context.report)
        _check_plugins(decision, path, context)
        _check_emits(decision, path, context.report)
    _check_shadowed(context, logic)


def check_rule(rule: Rule, path: KeyPath, context: Context) -> None:
    """Also of rules that stand elsewhere than in decisions."""
    names = signal_names(context.document.routing.signals)
    names["projection"] = output_names(context.document.routing.projections)
    _check_node(rule, path, names, context)


def _check_node(rule: Rule, path: KeyPath, names: Mapping[str, set[str]], context: Context) -> None:
    if rule.type is not None:
        _check_leaf(rule, path, names[rule.type], context)
        return
    if rule.operator == "NOT" and len(rule.conditions) != 1:
        context.report.error(path, f"NOT takes exactly one condition, not {len(rule.conditions)}")
    elif rule.operator == "OR" and not rule.conditions:
        context.report.error(path, "OR has no conditions; leave rules out to match every request")
    for index, condition in enumerate(rule.conditions):
        _check_node(condition, (*path, "conditions", index), names, context)


def _check_leaf(rule: Rule, path: KeyPath, known: set[str], context: Context) -> None:
    if rule.name not in known and not (rule.type == "domain" and domain_label(rule.name) in known):
        near = suggest(rule.name, known)
        context.report.error((*path, "name"), f"there is no {rule.type} signal '{rule.name}'{near}")
    if not rule.label:
        return
    if rule.type not in _LABELLED:
        message = f"{rule.type} signals have no labels; only {', '.join(_LABELLED)} signals have"
        context.report.error((*path, "label"), message)
    for signal in context.document.routing.signals.classifiers:
        named = rule.type == "classifier" and signal.name == rule.name
        if named and signal.labels and rule.label not in signal.labels:
            near = suggest(rule.label, signal.labels) or f"; known: {', '.join(signal.labels)}"
            message = f"classifier '{signal.name}' has no label '{rule.label}'{near}"
            context.report.error((*path, "label"), message)


def _check_sense(name: str, rules: Rule, path: KeyPath, logic: Logic, report: Report) -> None:
    if logic.never(rules):
        report.error(path, f"decision '{name}' can never match: its rules contradict each other")
    elif logic.always(rules):
        report.warn(path, f"decision '{name}' matches every request, whatever its signals; leave rules out")


def _check_emits(decision: Decision, path: KeyPath, report: Report) -> None:
    if len(decision.emits) > 1:
        report.error((*path, "emits"), "only one retention directive can be given; put its keys together")


def _check_models(decision: Decision, path: KeyPath, context: Context) -> None:
    answers = any(plugin.type == "fast_response" for plugin in decision.plugins)
    if not decision.modelRefs and not answers:
        message = f"decision '{decision.name}' does nothing: give modelRefs or the plugin fast_response"
        context.report.error(path, message)
    for index, ref in enumerate(decision.modelRefs):
        check_model(ref.model, ref.lora_name, (*path, "modelRefs", index), context)
        check_reasoning(ref.model, ref.use_reasoning, (*path, "modelRefs", index), context)


def _check_iterations(decision: Decision, path: KeyPath, report: Report) -> None:
    own = {name for ref in decision.modelRefs for name in (ref.model, ref.lora_name) if name}
    for index, iteration in enumerate(decision.candidateIterations):
        where = (*path, "candidateIterations", index)
        for place, ref in enumerate(iteration.models):
            if (ref.lora_name or ref.model) not in own:
                message = f"'{ref.lora_name or ref.model}' is no candidate: list it in modelRefs too"
                report.error((*where, "models", place), message)
        for place, output in enumerate(iteration.outputs):
            if output.value != iteration.variable:
                message = f"an output is the variable of its iteration, '{iteration.variable}'"
                report.error((*where, "outputs", place, "value"), message)


def _check_plugins(decision: Decision, path: KeyPath, context: Context) -> None:
    report, guard = context.report, context.document.global_.guards.pii
    types = (plugin.type for plugin in decision.plugins)
    check_unique(types, (*path, "plugins"), "plugin", report, field="type")
    for index, plugin in enumerate(decision.plugins):
        where = (*path, "plugins", index, "configuration")
        if isinstance(plugin, HeaderMutationPlugin):
            _check_headers(plugin, where, report)
        elif isinstance(plugin, SystemPromptPlugin) and plugin.configuration.mode == "append":
            message = "append is taken for replace, as in the original: the client's system prompt goes"
            report.warn((*where, "mode"), message)
        elif isinstance(plugin, PiiPlugin):
            check_pii_types(
                plugin.configuration.pii_types_allowed or (), (*where, "pii_types_allowed"), report
            )
            acts = plugin.configuration.action in ("mask", "block")
            if acts and plugin.configuration.pii_types_allowed is None:
                report.error((*where, "action"), NOTHING_TO_ACT_ON.format(plugin.configuration.action))
            if plugin.configuration.enabled and guard.mode == "off":
                report.error((*path, "plugins", index), f"the plugin pii {GUARD_IS_OFF}")


NOTHING_TO_ACT_ON = (
    "action {} needs pii_types_allowed, the types that may pass; [] lets none pass. "
    "Without the list every type may pass and nothing would happen"
)
GUARD_IS_OFF = "cannot be carried out: global.guards.pii.mode is off"


def _check_headers(plugin: HeaderMutationPlugin, path: KeyPath, report: Report) -> None:
    configuration = plugin.configuration
    for key, fields in (("add", configuration.add), ("update", configuration.update)):
        for index, field in enumerate(fields):
            if complaint := mutation_complaint(field.name, field.value):
                report.error((*path, key, index), complaint)
    for index, name in enumerate(configuration.delete):
        if complaint := mutation_complaint(name):
            report.error((*path, "delete", index), complaint)


def _check_shadowed(context: Context, logic: Logic) -> None:
    """A decision is dead if one of those that always come before it matches whenever it does."""
    decisions = context.document.routing.decisions
    tiers = any(decision.tier for decision in decisions)
    by_priority = strategy(context.document) == "priority"
    for index, decision in enumerate(decisions):
        if tiers:
            earlier = [other for other in decisions if other.tier < decision.tier]
        else:
            earlier = [other for other in decisions if by_priority and other.priority > decision.priority]
        covering = _covering(decision, earlier, logic)
        if covering:
            names = " and ".join(f"'{other.name}'" for other in covering)
            how = "comes first and matches too" if len(covering) == 1 else "come first, and one matches too"
            message = f"decision '{decision.name}' can never win: {names} {how}"
            context.report.error((*_ROOT, index), message)


def _covering(decision: Decision, earlier: list[Decision], logic: Logic) -> list[Decision]:
    """One that leaves nothing to the decision, else several that do so together."""
    for other in earlier:
        if logic.implies(decision.rules, [other.rules]):
            return [other]
    together = logic.implies(decision.rules, [other.rules for other in earlier])
    return earlier if together and earlier else []
