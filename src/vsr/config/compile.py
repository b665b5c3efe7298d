"""A document that passed every check, made into a `Policy`.

Nothing can be wrong any more here: whatever could fail has been tried by `lint`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vsr.config.endpoints import credential_header, dialect, parse_endpoint
from vsr.config.labels import domain_label
from vsr.config.patterns import keyword_pattern, raw_pattern
from vsr.config.policy import (
    Backend,
    Branch,
    Decision,
    DomainRule,
    Guards,
    JailbreakRule,
    KeywordRule,
    Leaf,
    Limits,
    Listener,
    Management,
    ManagementToken,
    Model,
    ModelRef,
    ModelScore,
    PiiGuard,
    PiiRule,
    Policy,
    PromptGuard,
    ReasoningFamily,
    RuleNode,
    Signals,
    Timeouts,
)
from vsr.config.resolve import (
    auto_names,
    domain_classes,
    lora_owners,
    model_id,
    model_pii_policy,
    pii_policy,
    strategy,
)
from vsr.config.schema import Document, providers, routing
from vsr.content import Secret
from vsr.route import FastResponse, HeaderMutation, PiiPolicy, Plugin, SystemPrompt


def compile_policy(document: Document, env: Mapping[str, str], digest: str, inert: tuple[str, ...]) -> Policy:
    router, defaults = document.global_.router, document.providers.defaults
    domain = document.global_.model_catalog.modules.classifier.domain
    listeners = tuple(_listener(listener) for listener in document.listeners)
    return Policy(
        listeners=listeners or (Listener(name="default"),),
        models={model.name: _model(model, document, env) for model in document.providers.models},
        default_model=defaults.default_model,
        default_reasoning_effort=defaults.default_reasoning_effort,
        auto_names=auto_names(document),
        strategy=strategy(document),
        signals=_signals(document),
        decisions=tuple(_decision(decision, document) for decision in document.routing.decisions),
        guards=_guards(document),
        domain_threshold=domain.threshold,
        fallback_category=domain.fallback_category,
        unknown_model_status=router.unknown_model_status,
        include_models_in_list=router.include_config_models_in_list,
        clear_route_cache=router.clear_route_cache,
        reveal_headers=router.response_headers,
        limits=Limits(**document.global_.limits.model_dump()),
        timeouts=Timeouts(**document.global_.timeouts.model_dump()),
        management=_management(document, env),
        digest=digest,
        inert=inert,
    )


def _listener(listener: providers.Listener) -> Listener:
    keys = tuple(Secret(key) for key in listener.api_keys)
    return Listener(listener.name, listener.address, listener.port, listener.timeout, keys)


def _management(document: Document, env: Mapping[str, str]) -> Management:
    services = document.global_.services
    api = services.management_api
    return Management(
        address=api.bind_address,
        port=api.port,
        tokens=tuple(ManagementToken(Secret(env[token.env]), token.role) for token in api.auth.tokens),
        max_batch_size=services.api.batch_classification.max_batch_size,
    )


# ---------------------------------------------------------------- models and back ends


def _model(model: providers.ProviderModel, document: Document, env: Mapping[str, str]) -> Model:
    family = document.providers.defaults.reasoning_families.get(model.reasoning_family)
    cards = [card for card in document.routing.modelCards if card.name == model.name]
    return Model(
        name=model.name,
        model_id=model_id(model, model.backend_refs[0]),
        backends=tuple(_backend(ref, index, model, env) for index, ref in enumerate(model.backend_refs)),
        reasoning_family=ReasoningFamily(model.reasoning_family, family.type, family.parameter)
        if family
        else None,
        loras=tuple(lora.name for card in cards for lora in card.loras),
        pii=model_pii_policy(model.pii_policy) if model.pii_policy else None,
        description=next((card.description for card in cards), ""),
    )


def _backend(
    ref: providers.BackendRef, index: int, model: providers.ProviderModel, env: Mapping[str, str]
) -> Backend:
    endpoint = parse_endpoint(ref)
    header, prefix = credential_header(ref)
    key = ref.api_key or env.get(ref.api_key_env, "")
    return Backend(
        name=f"{model.name}/{ref.name or index}",
        model=model.name,
        scheme=endpoint.scheme,
        host=endpoint.host,
        port=endpoint.port,
        base_path=endpoint.base_path,
        chat_path=ref.chat_path,
        weight=ref.weight,
        dialect=dialect(ref, endpoint),
        auth_header=header,
        auth_prefix=prefix,
        api_key=Secret(key) if key else None,
        forward_authorization=ref.forward_authorization,
        extra_headers=tuple((name.lower(), value) for name, value in ref.extra_headers.items()),
    )


# ---------------------------------------------------------------- signals


def _signals(document: Document) -> Signals:
    signals = document.routing.signals
    threshold = document.global_.model_catalog.modules.classifier.domain.threshold
    owners = lora_owners(document)
    return Signals(
        domains=tuple(
            DomainRule(
                name=domain.name,
                classes=domain_classes(domain),
                threshold=threshold,
                model_scores=tuple(_score(score, owners) for score in domain.model_scores),
                description=domain.description,
            )
            for domain in signals.domains
        ),
        keywords=tuple(_keyword(rule) for rule in signals.keywords),
        jailbreaks=tuple(
            JailbreakRule(rule.name, rule.threshold, rule.include_history) for rule in signals.jailbreak
        ),
        piis=tuple(
            PiiRule(rule.name, rule.threshold, frozenset(rule.pii_types_allowed), rule.include_history)
            for rule in signals.pii
        ),
    )


def _score(score: routing.ModelScore, owners: Mapping[str, str]) -> ModelScore:
    model, lora = _resolve(score.model, score.lora_name, owners)
    return ModelScore(model, score.score, score.use_reasoning, score.reasoning_effort or "", lora)


def _keyword(rule: routing.KeywordSignal) -> KeywordRule:
    build = raw_pattern if rule.method == "regex" else keyword_pattern
    patterns = tuple(build(keyword, rule.case_sensitive) for keyword in rule.keywords)
    return KeywordRule(rule.name, rule.operator, rule.keywords, patterns)


# ---------------------------------------------------------------- decisions


def _decision(decision: routing.Decision, document: Document) -> Decision:
    owners = lora_owners(document)
    return Decision(
        name=decision.name,
        priority=decision.priority,
        tier=decision.tier,
        rules=_rule(decision.rules, document.routing.signals.domains) if decision.rules else None,
        models=tuple(_model_ref(ref, owners) for ref in decision.modelRefs),
        plugins=tuple(_plugins(decision.plugins)),
        description=decision.description,
    )


def _rule(rule: routing.Rule, domains: tuple[routing.DomainSignal, ...]) -> RuleNode:
    if rule.operator is not None:
        return Branch(rule.operator, tuple(_rule(condition, domains) for condition in rule.conditions))
    name = rule.name
    if rule.type == "domain" and all(domain.name != name for domain in domains):
        # The original lets a rule name a label instead of the domain that it belongs to.
        name = next(domain.name for domain in domains if domain_label(name) in domain_classes(domain))
    return Leaf(rule.type or "", name, rule.on_error)


def _model_ref(ref: routing.ModelRef, owners: Mapping[str, str]) -> ModelRef:
    model, lora = _resolve(ref.model, ref.lora_name, owners)
    return ModelRef(model, lora, ref.weight, ref.use_reasoning, ref.reasoning_effort or "")


def _resolve(model: str, lora: str, owners: Mapping[str, str]) -> tuple[str, str]:
    """A LoRA may be named as the model; then it is served by the back ends of its owner."""
    return (owners[model], lora or model) if model in owners else (model, lora)


def _plugins(plugins: Iterable[routing.Plugin]) -> Iterable[Plugin]:
    for plugin in plugins:
        if isinstance(plugin, routing.FastResponsePlugin):
            yield FastResponse(plugin.configuration.message)
        elif isinstance(plugin, routing.SystemPromptPlugin) and plugin.configuration.enabled:
            yield SystemPrompt(plugin.configuration.system_prompt, plugin.configuration.mode)
        elif isinstance(plugin, routing.HeaderMutationPlugin):
            yield _header_mutation(plugin.configuration)
        elif isinstance(plugin, routing.PiiPlugin) and plugin.configuration.enabled:
            yield pii_policy(plugin.configuration.pii_types_allowed, plugin.configuration.action)


def _header_mutation(configuration: routing.HeaderMutationConfiguration) -> HeaderMutation:
    return HeaderMutation(
        add=tuple((field.name.lower(), field.value) for field in configuration.add),
        update=tuple((field.name.lower(), field.value) for field in configuration.update),
        delete=tuple(name.lower() for name in configuration.delete),
    )


# ---------------------------------------------------------------- guards


def _guards(document: Document) -> Guards:
    guards = document.global_.guards
    return Guards(
        jailbreak=_prompt_guard(document),
        pii=_pii_guard(document),
        refusal=guards.refusal,
        refusal_message=guards.refusal_message,
    )


def _prompt_guard(document: Document) -> PromptGuard:
    """`prompt_guard` of the original fills in what our own group leaves open."""
    own, module = document.global_.guards.jailbreak, document.global_.model_catalog.modules.prompt_guard
    return PromptGuard(
        mode=own.mode or ("enforce" if module.enabled else "off"),
        threshold=own.threshold if own.threshold is not None else module.threshold,
        system_threshold=own.system_threshold,
        on_unavailable=own.on_unavailable or ("allow" if module.on_error == "allow" else "refuse"),
        allow_list=tuple(raw_pattern(text) for text in own.allow_list),
    )


def _pii_guard(document: Document) -> PiiGuard:
    own = document.global_.guards.pii
    threshold = document.global_.model_catalog.modules.classifier.pii.threshold
    policy: PiiPolicy = pii_policy(own.pii_types_allowed, own.action)
    return PiiGuard(
        mode=own.mode,
        threshold=own.threshold if own.threshold is not None else threshold,
        policy=policy,
        on_unavailable=own.on_unavailable,
        allow_list=tuple(raw_pattern(text) for text in own.allow_list),
    )
