"""What is allowed and may not be what was meant: policies that outdo one another, equal priorities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from vsr.config.lint.context import Context
from vsr.config.lint.logic import Logic
from vsr.config.paths import KeyPath
from vsr.config.resolve import lora_owners, strategy
from vsr.config.schema.decisions import Decision, PiiConfiguration, PiiPlugin, Rule
from vsr.config.schema.providers import ModelPiiPolicy

_MOST_PAIRS = 200


def check_policies(context: Context) -> None:
    _check_pii_guard(context)
    _check_outdone(context)
    _check_priorities(context)


def _check_pii_guard(context: Context) -> None:
    document = context.document
    guard = document.global_.guards.pii
    if "pii" not in document.global_.guards.model_fields_set or guard.mode == "off":
        return
    others = any(model.pii_policy is not None for model in document.providers.models)
    routings = (document.routing, *(recipe.routing for recipe in document.recipes))
    others = others or any(_pii(decision) for routing in routings for decision in routing.decisions)
    if guard.pii_types_allowed is None and not others:
        context.report.warn(
            ("global", "guards", "pii"),
            "the PII guard has no policy: without pii_types_allowed here, a model's pii_policy or the plugin "
            "pii everything may pass and is only reported",
        )


def _check_outdone(context: Context) -> None:
    """The stricter of a decision's and its model's policy counts, so what the other one lists is void."""
    owners = lora_owners(context.document)
    policies = {model.name: model.pii_policy for model in context.document.providers.models}
    for index, decision in enumerate(context.document.routing.decisions):
        plugin = _pii(decision)
        for ref in decision.modelRefs if plugin is not None else ():
            name = owners.get(ref.model, ref.model)
            policy = policies.get(name)
            if plugin is not None and policy is not None:
                path: KeyPath = ("routing", "decisions", index, "plugins")
                for message in _outdone(decision.name, plugin, name, policy):
                    context.report.warn(path, message)


def _outdone(decision: str, plugin: PiiConfiguration, model: str, policy: ModelPiiPolicy) -> Iterator[str]:
    if plugin.pii_types_allowed is None or policy.allow_by_default:
        return
    ours, theirs = set(plugin.pii_types_allowed), set(policy.pii_types_allowed)
    if ours - theirs and policy.action != "log":
        yield (
            f"decision '{decision}' allows {', '.join(sorted(ours - theirs))}, and the pii_policy of its "
            f"model '{model}' does not: the stricter counts"
        )
    if theirs - ours and plugin.action != "log":
        yield (
            f"the pii_policy of '{model}' allows {', '.join(sorted(theirs - ours))}, and decision "
            f"'{decision}' does not: the stricter counts"
        )


def _pii(decision: Decision) -> PiiConfiguration | None:
    plugins = (one for one in decision.plugins if isinstance(one, PiiPlugin))
    return next((one.configuration for one in plugins if one.configuration.enabled), None)


def _check_priorities(context: Context) -> None:
    """Told only of priorities that were written, between decisions that can match together."""
    routing = context.document.routing
    if strategy(context.document) != "priority" or any(decision.tier for decision in routing.decisions):
        return
    logic = Logic(routing)
    groups: dict[int, list[tuple[int, Decision]]] = {}
    for index, decision in enumerate(routing.decisions):
        if "priority" in decision.model_fields_set:
            groups.setdefault(decision.priority, []).append((index, decision))
    for priority, group in groups.items():
        for (_, one), (index, other) in islice(combinations(group, 2), _MOST_PAIRS):
            if not _apart(one, other, logic):
                context.report.warn(
                    ("routing", "decisions", index, "priority"),
                    f"decisions '{one.name}' and '{other.name}' can match together and share priority "
                    f"{priority}: the more confident one wins, then the one that comes first",
                )
                break


def _apart(one: Decision, other: Decision, logic: Logic) -> bool:
    if one.rules is None or other.rules is None:
        return False
    return logic.never(Rule(operator="AND", conditions=(one.rules, other.rules)))
