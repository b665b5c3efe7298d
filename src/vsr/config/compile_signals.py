"""`routing.signals` of a valid document, made into the rules of a `Policy`: those read off the encoder,
and the whole. The rules that need no model are made in `compile_rules`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vsr.config import policy_signals as rules
from vsr.config.compile_decisions import compile_rule
from vsr.config.compile_rules import (
    compile_context,
    compile_conversation,
    compile_event,
    compile_keyword,
    compile_language,
    compile_metadata,
    compile_role_binding,
    compile_structure,
)
from vsr.config.knowledge import knowledge_bases, stands_in
from vsr.config.policy_services import MCPServer, Service
from vsr.config.resolve import domain_classes, lora_owners, resolve_model
from vsr.config.schema import Document, catalog
from vsr.config.schema import signals as schema
from vsr.config.services import compile_embedder, compile_preferrer, preferring, service_of

_CONTRAST: Final = 0.10
"""The original's default difference for contrastive jailbreak rules."""


def compile_signals(document: Document, env: Mapping[str, str]) -> rules.Signals:
    given = document.routing.signals
    semantic = document.global_.model_catalog.embeddings.semantic.embedding_config
    modules = document.global_.model_catalog.modules
    scoring = semantic.prototype_scoring
    return rules.Signals(
        domains=tuple(_domain(domain, document) for domain in given.domains),
        keywords=tuple(compile_keyword(rule) for rule in given.keywords),
        jailbreaks=tuple(_jailbreak(rule) for rule in given.jailbreak),
        piis=tuple(
            rules.PiiRule(rule.name, rule.threshold, frozenset(rule.pii_types_allowed), rule.include_history)
            for rule in given.pii
        ),
        embeddings=tuple(_embedding(rule, scoring) for rule in given.embeddings),
        matching=rules.EmbeddingMatching(
            semantic.top_k, semantic.enable_soft_matching, semantic.min_score_threshold
        ),
        fact_checks=tuple(rules.LikelyRule(rule.name, rule.threshold) for rule in given.fact_check),
        feedbacks=tuple(
            rules.LikelyRule(
                rule.name, modules.feedback_detector.threshold if rule.threshold is None else rule.threshold
            )
            for rule in given.user_feedbacks
        ),
        reasks=tuple(
            rules.ReaskRule(rule.name, rule.threshold, rule.lookback_turns) for rule in given.reasks
        ),
        preferences=tuple(_preference(rule, semantic, preferring(document)) for rule in given.preferences),
        languages=tuple(compile_language(rule) for rule in given.language),
        contexts=tuple(compile_context(rule) for rule in given.context),
        structures=tuple(compile_structure(rule) for rule in given.structure),
        complexities=tuple(_complexity(rule, given.domains, scoring) for rule in given.complexity),
        modalities=tuple(rules.ModalityRule(rule.name) for rule in given.modality),
        role_bindings=tuple(compile_role_binding(rule) for rule in given.role_bindings),
        kbs=tuple(
            rules.KbRule(rule.name, rule.kb, rule.target.kind, rule.target.value, rule.match)
            for rule in given.kb
        ),
        knowledge_bases=tuple(_knowledge_base(base, scoring) for base in knowledge_bases(document)),
        conversations=tuple(compile_conversation(rule) for rule in given.conversation),
        events=tuple(compile_event(rule) for rule in given.events),
        metadata=tuple(compile_metadata(rule) for rule in given.metadata),
        classifiers=tuple(_classifier(rule, document) for rule in given.classifiers),
        embedder=compile_embedder(document, env),
        preferrer=compile_preferrer(document) if given.preferences else None,
    )


def _domain(domain: schema.DomainSignal, document: Document) -> rules.DomainRule:
    owners = lora_owners(document)
    return rules.DomainRule(
        name=domain.name,
        classes=domain_classes(domain),
        threshold=document.global_.model_catalog.modules.classifier.domain.threshold,
        model_scores=tuple(_score(score, owners) for score in domain.model_scores),
        description=domain.description,
    )


def _score(score: schema.ModelScore, owners: Mapping[str, str]) -> rules.ModelScore:
    model, lora = resolve_model(score.model, score.lora_name, owners)
    return rules.ModelScore(model, score.score, score.use_reasoning, score.reasoning_effort or "", lora)


def _jailbreak(rule: schema.JailbreakSignal) -> rules.JailbreakRule:
    """A contrastive rule's threshold is a difference of similarities; a hybrid's is the classifier's."""
    contrast = None
    if rule.method == "contrastive":
        contrast = _CONTRAST if rule.threshold is None else rule.threshold
    elif rule.method == "hybrid":
        contrast = _CONTRAST
    return rules.JailbreakRule(
        name=rule.name,
        threshold=None if rule.method == "contrastive" else rule.threshold,
        include_history=rule.include_history,
        classifier=rule.method != "contrastive",
        contrast=contrast,
        attacks=rule.jailbreak_patterns,
        benign=rule.benign_patterns,
    )


def _embedding(rule: schema.EmbeddingSignal, family: schema.PrototypeScoring) -> rules.EmbeddingRule:
    return rules.EmbeddingRule(
        name=rule.name,
        threshold=rule.threshold,
        candidates=rule.candidates,
        negatives=rule.negative_candidates,
        scoring=_scoring(rule.prototype_scoring or family, rule.aggregation_method),
    )


def _complexity(
    rule: schema.ComplexitySignal,
    domains: tuple[schema.DomainSignal, ...],
    family: schema.PrototypeScoring,
) -> rules.ComplexityRule:
    return rules.ComplexityRule(
        name=rule.name,
        hard_above=rule.threshold if rule.hard_above is None else rule.hard_above,
        easy_below=-rule.threshold if rule.easy_below is None else rule.easy_below,
        hard=rule.hard.candidates,
        easy=rule.easy.candidates,
        composer=compile_rule(rule.composer, domains) if rule.composer else None,
        scoring=_scoring(rule.prototype_scoring or family, None),
    )


def _preference(
    rule: schema.PreferenceSignal, semantic: catalog.EmbeddingConfig, model: catalog.External | None
) -> rules.PreferenceRule:
    common = semantic.min_score_threshold if model is None or model.threshold is None else model.threshold
    return rules.PreferenceRule(
        name=rule.name,
        threshold=common if rule.threshold is None else rule.threshold,
        description=rule.description,
        examples=rule.examples or ((rule.description,) if rule.description else ()),
        scoring=_scoring(rule.prototype_scoring or semantic.prototype_scoring, None),
    )


def _classifier(rule: schema.ClassifierSignal, document: Document) -> rules.ClassifierRule:
    asked, threshold = service_of(rule, document)
    return rules.ClassifierRule(
        name=rule.name,
        kind=rule.type,
        labels=rule.labels,
        model_path=rule.model_path,
        instructions=rule.instructions,
        threshold=threshold,
        service=asked if isinstance(asked, Service) else None,
        server=asked if isinstance(asked, MCPServer) else None,
    )


def _knowledge_base(base: catalog.KnowledgeBase, family: schema.PrototypeScoring) -> rules.KnowledgeBase:
    return rules.KnowledgeBase(
        name=base.name,
        threshold=base.threshold,
        label_thresholds=base.label_thresholds,
        groups=base.groups,
        margins={metric.name: (metric.positive_group, metric.negative_group) for metric in base.metrics},
        exemplars={name: label.exemplars for name, label in base.labels.items()},
        source=str(Path(base.source.path) / base.source.manifest) if base.source.path else "",
        stands_in=stands_in(base),
        scoring=_scoring(base.prototype_scoring or family, None),
    )


def _scoring(given: schema.PrototypeScoring, aggregation: str | None) -> rules.Scoring:
    """`any`, which the original reads as its default, matches if any example does: the best one."""
    return rules.Scoring(
        cluster=given.enabled,
        similarity=given.cluster_similarity_threshold,
        most=given.max_prototypes,
        best_weight=given.best_weight,
        top_m=given.top_m,
        margin=given.margin_threshold,
        aggregation="mean" if aggregation == "mean" else "max" if aggregation in ("max", "any") else "blend",
    )
