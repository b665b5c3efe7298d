"""Checks of `routing.signals`: labels exist, patterns compile, scores point at models.

Rules whose names are given by what computes them, and those with parts that must fit together, are
checked in `lint/rules.py`.
"""

from __future__ import annotations

from vsr.config.labels import DOMAINS, domain_label
from vsr.config.lint.context import Context, check_model, check_pii_types, check_reasoning, check_unique
from vsr.config.lint.rules import check_rules
from vsr.config.lint.services import check_classifiers
from vsr.config.paths import KeyPath, suggest
from vsr.config.patterns import raw_pattern
from vsr.config.resolve import SIGNAL_SECTIONS
from vsr.config.schema.signals import DomainSignal, KeywordSignal

_ROOT: KeyPath = ("routing", "signals")


def check_signals(context: Context) -> None:
    signals, report = context.document.routing.signals, context.report
    for key in SIGNAL_SECTIONS.values():
        check_unique((rule.name for rule in getattr(signals, key)), (*_ROOT, key), f"{key} signal", report)
    for index, domain in enumerate(signals.domains):
        _check_domain(domain, (*_ROOT, "domains", index), context)
    _check_claims(context)
    for index, keyword in enumerate(signals.keywords):
        _check_keyword(keyword, (*_ROOT, "keywords", index), context)
    for index, pii in enumerate(signals.pii):
        check_pii_types(pii.pii_types_allowed, (*_ROOT, "pii", index, "pii_types_allowed"), report)
    _check_fallback(context)
    check_rules(context)
    check_classifiers(context)


def _check_domain(domain: DomainSignal, path: KeyPath, context: Context) -> None:
    for index, name in enumerate(domain.mmlu_categories):
        if domain_label(name) not in DOMAINS:
            near = suggest(domain_label(name), DOMAINS) or f"; known: {', '.join(DOMAINS)}"
            context.report.error((*path, "mmlu_categories", index), f"unknown domain label '{name}'{near}")
    if not domain.mmlu_categories and domain_label(domain.name) not in DOMAINS:
        near = suggest(domain_label(domain.name), DOMAINS)
        context.report.error(
            (*path, "name"),
            f"domain '{domain.name}' is no label of the classifier: give mmlu_categories{near}",
        )
    for index, score in enumerate(domain.model_scores):
        where = (*path, "model_scores", index)
        check_model(score.model, score.lora_name, where, context)
        check_reasoning(score.model, score.use_reasoning, where, context)


def _check_claims(context: Context) -> None:
    claimed: dict[str, str] = {}
    for index, domain in enumerate(context.document.routing.signals.domains):
        for label in domain.mmlu_categories or (domain.name,):
            owner = claimed.setdefault(domain_label(label), domain.name)
            if owner != domain.name:
                context.report.warn(
                    (*_ROOT, "domains", index),
                    f"domains '{owner}' and '{domain.name}' both claim '{label}'; the first has precedence",
                )


def _check_keyword(rule: KeywordSignal, path: KeyPath, context: Context) -> None:
    if not rule.keywords:
        context.report.error((*path, "keywords"), f"keyword signal '{rule.name}' has no keywords")
    if rule.fuzzy_match and rule.method not in (None, "fuzzy"):
        context.report.error((*path, "fuzzy_match"), f"does not go together with method: {rule.method}")
    if rule.method == "ngram" and all(len(keyword) < rule.ngram_arity for keyword in rule.keywords):
        message = (
            f"all keywords are shorter than ngram_arity {rule.ngram_arity}: every n-gram is half padding"
        )
        context.report.warn((*path, "ngram_arity"), message)
    if rule.method != "regex":
        return
    for index, keyword in enumerate(rule.keywords):
        try:
            raw_pattern(keyword, rule.case_sensitive)
        except ValueError as error:
            context.report.error((*path, "keywords", index), f"pattern {error}")


def _check_fallback(context: Context) -> None:
    name = context.document.global_.model_catalog.modules.classifier.domain.fallback_category
    known = [*DOMAINS, *(domain.name for domain in context.document.routing.signals.domains)]
    if name not in known and domain_label(name) not in known:
        path = ("global", "model_catalog", "modules", "classifier", "domain", "fallback_category")
        context.report.error(path, f"fallback_category '{name}' is no domain{suggest(name, known)}")
