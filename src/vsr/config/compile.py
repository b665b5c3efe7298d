"""A document that passed every check, made into a `Policy`.

Nothing can be wrong any more here: whatever could fail has been tried by `lint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vsr.config.compile_decisions import compile_decision
from vsr.config.compile_loopers import looper_limits, looper_names
from vsr.config.compile_projections import compile_projections
from vsr.config.compile_selection import compile_card, compile_learning, compile_pricing
from vsr.config.compile_signals import compile_signals
from vsr.config.endpoints import chat_path, credential_header, dialect, parse_endpoint
from vsr.config.patterns import raw_pattern
from vsr.config.policy import (
    ApiKey,
    Backend,
    Guards,
    HealthCheck,
    IdentityHeaders,
    Limits,
    Listener,
    Management,
    ManagementToken,
    Model,
    PiiGuard,
    Policy,
    PromptGuard,
    ReasoningFamily,
    Reliability,
    Timeouts,
)
from vsr.config.resolve import (
    auto_names,
    cards,
    entrypoints,
    lora_owners,
    model_id,
    model_pii_policy,
    pii_policy,
    reasoning_family,
    recipe_document,
    resolve_model,
    strategy,
)
from vsr.config.retries import retry_conditions
from vsr.config.schema import Document, providers
from vsr.config.schema.routing import Recipe
from vsr.config.schema.service import Authz
from vsr.config.services import compile_guard
from vsr.content import Secret
from vsr.route import PiiPolicy


def compile_policy(document: Document, env: Mapping[str, str], digest: str, inert: tuple[str, ...]) -> Policy:
    router, defaults = document.global_.router, document.providers.defaults
    domain = document.global_.model_catalog.modules.classifier.domain
    authz = document.global_.services.authz
    default_model, default_lora = resolve_model(defaults.default_model, "", lora_owners(document))
    listeners = tuple(_listener(listener, authz) for listener in document.listeners)
    policy = Policy(
        listeners=listeners or (Listener(name="default"),),
        models={model.name: _model(model, document, env) for model in document.providers.models},
        default_model=default_model,
        default_lora=default_lora,
        default_reasoning_effort=defaults.default_reasoning_effort,
        auto_names=auto_names(document),
        strategy=strategy(document),
        signals=compile_signals(document, env),
        projections=compile_projections(document.routing),
        decisions=tuple(compile_decision(decision, document) for decision in document.routing.decisions),
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
        learning=compile_learning(document),
        looper_names=looper_names(document),
        looper_limits=looper_limits(document),
        digest=digest,
        inert=inert,
    )
    recipes = {recipe.name: _recipe(policy, recipe, document, env) for recipe in document.recipes}
    return replace(policy, recipes=recipes, entrypoints=entrypoints(document))


def _recipe(policy: Policy, recipe: Recipe, document: Document, env: Mapping[str, str]) -> Policy:
    """The same service with other signals and decisions."""
    own = recipe_document(document, recipe)
    return replace(
        policy,
        strategy=strategy(own),
        signals=compile_signals(own, env),
        projections=compile_projections(own.routing),
        decisions=tuple(compile_decision(decision, own) for decision in own.routing.decisions),
        looper_names={},
        recipe=recipe.name,
    )


def _listener(listener: providers.Listener, authz: Authz) -> Listener:
    headers, trusted = authz.identity, listener.identity_headers == "trusted"
    return Listener(
        name=listener.name,
        address=listener.address,
        port=listener.port,
        timeout=listener.timeout,
        api_keys=tuple(_api_key(given) for given in listener.api_keys),
        identity=IdentityHeaders(headers.user_id_header, headers.user_groups_header, trusted),
    )


def _api_key(given: str | providers.ApiKey) -> ApiKey:
    if isinstance(given, str):
        return ApiKey(Secret(given))
    return ApiKey(Secret(given.key), given.user, frozenset(given.groups))


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
    name, family = reasoning_family(model, document)
    own = [card for card in cards(document) if card.name == model.name]
    return Model(
        name=model.name,
        model_id=model_id(model, model.backend_refs[0]),
        backends=tuple(_backend(ref, index, model, env) for index, ref in enumerate(model.backend_refs)),
        reasoning_family=ReasoningFamily(name, family.type, family.parameter) if family else None,
        loras=tuple(lora.name for card in own for lora in card.loras),
        pii=model_pii_policy(model.pii_policy) if model.pii_policy else None,
        description=next((card.description for card in own), ""),
        card=compile_card(next(iter(own), None)),
        pricing=compile_pricing(model.pricing),
        reliability=_reliability(model.reliability),
    )


def _reliability(own: providers.Reliability) -> Reliability:
    health = HealthCheck(own.health_check_path, own.health_check_interval, own.health_check_timeout)
    return Reliability(
        lb_policy=own.lb_policy,
        retry_count=own.retry_count,
        retry_on=retry_conditions(own.retry_on),
        consecutive_5xx=own.consecutive_5xx,
        base_ejection_time=own.base_ejection_time,
        max_ejection_percent=own.max_ejection_percent,
        health_check=health if own.health_check_path else None,
    )


def _backend(
    ref: providers.BackendRef, index: int, model: providers.ProviderModel, env: Mapping[str, str]
) -> Backend:
    endpoint = parse_endpoint(ref)
    header, prefix = credential_header(ref)
    # read from a file, a key often ends with a line break, which no header can hold
    key = (ref.api_key or env.get(ref.api_key_env, "")).rstrip("\r\n")
    return Backend(
        name=f"{model.name}/{ref.name or index}",
        model=model.name,
        scheme=endpoint.scheme,
        host=endpoint.host,
        port=endpoint.port,
        base_path=endpoint.base_path,
        chat_path=chat_path(ref, endpoint, model_id(model, ref)),
        weight=ref.weight,
        dialect=dialect(ref, endpoint).fields,
        auth_header=header,
        auth_prefix=prefix,
        api_key=Secret(key) if key else None,
        forward_authorization=ref.forward_authorization,
        extra_headers=tuple((name.lower(), value) for name, value in ref.extra_headers.items()),
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
    """`prompt_guard` of the original fills in what our own group leaves open. Its `on_error` is for the
    guard that it configures: if that is one of others, the bundle's own must not open with it."""
    own, module = document.global_.guards.jailbreak, document.global_.model_catalog.modules.prompt_guard
    remote = compile_guard(document)
    opens = module.on_error == "allow" and remote is None
    return PromptGuard(
        mode=own.mode or ("enforce" if module.enabled else "off"),
        threshold=own.threshold if own.threshold is not None else module.threshold,
        system_threshold=own.system_threshold,
        on_unavailable=own.on_unavailable or ("allow" if opens else "refuse"),
        allow_list=tuple(raw_pattern(text) for text in own.allow_list),
        remote=remote,
    )


def _pii_guard(document: Document) -> PiiGuard:
    own = document.global_.guards.pii
    module = document.global_.model_catalog.modules.classifier.pii
    policy: PiiPolicy = pii_policy(own.pii_types_allowed, own.action)
    return PiiGuard(
        mode=own.mode,
        threshold=own.threshold if own.threshold is not None else module.threshold,
        policy=policy,
        on_unavailable=own.on_unavailable or ("allow" if module.on_error == "allow" else "refuse"),
        allow_list=tuple(raw_pattern(text) for text in own.allow_list),
    )
