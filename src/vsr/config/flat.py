"""The older flat format: what it may hold, and its translation into the canonical `v0.3` document.

`convert` is pure and moves values without looking inside more than it must; whatever is wrong with a
moved value is said by the canonical schema, in the line where the value stood (`trace`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeVar

from pydantic import Field

from vsr.config.paths import Finding, KeyPath, Plain, Report, show, suggest
from vsr.config.pending_entry import Pending
from vsr.config.schema.base import Name, Port, Probability, Section, Whole
from vsr.config.schema.decisions import SystemPromptMode
from vsr.config.schema.providers import ModelPiiPolicy
from vsr.config.schema.routing import Lora
from vsr.config.schema.signals import ModelScore
from vsr.config.strict import check_keys
from vsr.config.validate import validate

Mapped = dict[str, Plain]

_RULES: Final = {
    "keyword_rules": "keywords",
    "embedding_rules": "embeddings",
    "fact_check_rules": "fact_check",
    "user_feedback_rules": "user_feedbacks",
    "reask_rules": "reasks",
    "preference_rules": "preferences",
    "language_rules": "language",
    "context_rules": "context",
    "structure_rules": "structure",
    "complexity_rules": "complexity",
    "modality_rules": "modality",
    "role_bindings": "role_bindings",
    "jailbreak": "jailbreak",
    "pii": "pii",
}
_SERVICES: Final = "global.services."
_MODULES: Final = "global.model_catalog.modules."

MOVED: Final[Mapping[str, str]] = {
    **{key: f"routing.signals.{new}" for key, new in _RULES.items()},
    "listeners": "listeners",
    "strategy": "routing.strategy",
    "projections": "routing.projections",
    "default_model": "providers.defaults.default_model",
    "default_reasoning_effort": "providers.defaults.default_reasoning_effort",
    "reasoning_families": "providers.defaults.reasoning_families",
    **{
        key: f"global.router.{key}"
        for key in ("auto_model_name", "auto_model_names", "include_config_models_in_list")
    },
    "clear_route_cache": "global.router.clear_route_cache",
    "model_selection": "global.router.model_selection",
    "semantic_cache": "global.stores.response_cache",
    "tools": "global.integrations.tools",
    "looper": "global.integrations.looper",
    "external_models": "global.model_catalog.external",
    **{key: _SERVICES + key for key in ("api", "observability", "response_api", "router_replay")},
    **{key: _SERVICES + key for key in ("authz", "ratelimit")},
    **{key: _MODULES + key for key in ("prompt_guard", "hallucination_mitigation", "feedback_detector")},
}
"""Top-level keys that only change their place."""

_CLASSIFIERS: Final = {
    "category_model": "domain",
    "pii_model": "pii",
    "mcp_category_model": "mcp",
}
_CARD_KEYS: Final = (
    *("description", "loras", "param_size", "context_window_size", "capabilities", "quality_score"),
    *("modality", "tags"),
)
_MODEL_KEYS: Final = ("reasoning_family", "external_model_ids", "api_format", "pricing", "pii_policy")


class FlatEndpoint(Section):
    name: Name
    address: Name
    port: Port
    protocol: Literal["http", "https"] = "http"
    models: tuple[Name, ...] | None = None
    weight: Whole = 1


class FlatModel(Section):
    """`object` marks what the canonical schema judges after the move."""

    preferred_endpoints: tuple[Name, ...] = ()
    reasoning_family: str = ""
    pii_policy: ModelPiiPolicy | None = None
    loras: tuple[Lora, ...] = ()
    description: object = None
    param_size: object = None
    context_window_size: object = None
    capabilities: object = None
    quality_score: object = None
    modality: object = None
    tags: object = None
    external_model_ids: object = None
    api_format: object = None
    pricing: object = None


class FlatCategory(Section):
    name: Name
    description: str = ""
    mmlu_categories: tuple[str, ...] = ()
    model_scores: tuple[ModelScore, ...] = ()
    system_prompt: str = ""
    system_prompt_enabled: bool = True
    system_prompt_mode: SystemPromptMode = "replace"


class FlatClassifier(Section):
    category_model: object = None
    pii_model: object = None
    mcp_category_model: object = None


class FlatEmbedding(Section):
    model_id: object = None
    threshold: object = None
    use_cpu: object = None


class FlatGuardConfiguration(Section):
    enabled: bool = True
    threshold: Probability | None = None


class FlatGuard(Section):
    """The plugin jailbreak of a decision."""

    type: str
    configuration: FlatGuardConfiguration = FlatGuardConfiguration()


class FlatPiiConfiguration(FlatGuardConfiguration):
    pii_types_allowed: tuple[str, ...] = ()


class FlatPii(FlatGuard):
    """The plugin pii of a decision."""

    configuration: FlatPiiConfiguration = FlatPiiConfiguration()


class FlatDocument(Section):
    """Besides these keys, those of `MOVED`."""

    vllm_endpoints: tuple[FlatEndpoint, ...] = ()
    models: dict[str, FlatModel] = Field(default_factory=dict, alias="model_config")
    categories: tuple[FlatCategory, ...] = ()
    classifier: FlatClassifier = FlatClassifier()
    decisions: tuple[dict[str, object], ...] = ()
    signals: dict[str, object] = Field(default_factory=dict)
    bert_model: FlatEmbedding = FlatEmbedding()
    streamed_body_mode: bool = False


Guard = TypeVar("Guard", bound=FlatGuard)

_GLOBAL_GUARD: Final = (
    "guards are the same for all categories: global.guards, or the plugin pii of a decision"
)
_CATEGORY_GUARDS: Final = ("jailbreak_enabled", "jailbreak_threshold", "pii_enabled", "pii_threshold")

_KEYS: Final[Mapping[str, Pending]] = {
    "image_gen_backends": Pending("refused", "images are not generated"),
    "provider_profiles": Pending("refused", "write canonical backend_refs with base_url and api_key_env"),
    "categories[].semantic_cache_enabled": Pending("inert", "answers are not cached yet"),
    "categories[].semantic_cache_similarity_threshold": Pending("inert", "answers are not cached yet"),
    "categories[].model_scores[].reasoning_description": Pending("inert", "is a note"),
    **{f"categories[].{key}": Pending("refused", _GLOBAL_GUARD) for key in _CATEGORY_GUARDS},
}


def is_flat(data: Plain) -> bool:
    """Without `version` and canonical groups, and with at least one key of the flat format."""
    if not isinstance(data, dict) or not data.keys().isdisjoint(
        ("version", "providers", "routing", "global")
    ):
        return False
    return not (_known() - {"listeners"}).isdisjoint(data)


def check_flat(data: Plain, report: Report) -> list[Finding]:
    """Reports what `convert` could not translate; returns what has no effect."""
    own = data if not isinstance(data, dict) else {key: data[key] for key in data if key not in MOVED}
    known = {**_KEYS, **dict.fromkeys(MOVED, Pending("inert", "is moved"))}  # for the nearest names
    checked = check_keys(own, FlatDocument, report, known, {})
    validate(checked.data, FlatDocument, report)
    source = _mapping(data)
    _check_endpoints(source, report)
    inert = list(checked.inert)
    for index, decision in enumerate(_list(source.get("decisions"))):
        for position, plugin in enumerate(_list(_mapping(decision).get("plugins"))):
            where: KeyPath = ("decisions", index, "plugins", position)
            if _type(plugin) == "jailbreak":
                _check_jailbreak(plugin, where, _mapping(source.get("prompt_guard")), report)
                inert.append(Finding(where, f"the plugin jailbreak ({_GLOBAL_GUARD})"))
            elif _type(plugin) == "pii":
                module = _mapping(_mapping(source.get("classifier")).get("pii_model"))
                _check_guard(plugin, FlatPii, where, ("classifier.pii_model", module), report)
    return inert


def _check_endpoints(source: Mapped, report: Report) -> None:
    endpoints = [_mapping(endpoint).get("name") for endpoint in _list(source.get("vllm_endpoints"))]
    names = {name for name in endpoints if isinstance(name, str)}
    for model, entry in _mapping(source.get("model_config")).items():
        for index, name in enumerate(_list(_mapping(entry).get("preferred_endpoints"))):
            if isinstance(name, str) and name not in names:
                where = ("model_config", model, "preferred_endpoints", index)
                report.error(where, f"endpoint '{name}' is not in vllm_endpoints{suggest(name, names)}")


def _check_jailbreak(plugin: Plain, where: KeyPath, module: Mapped, report: Report) -> None:
    guard = _check_guard(plugin, FlatGuard, where, ("prompt_guard", module), report)
    if guard is None:
        return
    if not guard.configuration.enabled:
        what = f"{show(where)}: jailbreak off for one decision"
        report.error(where, f"{what} is not supported, because {_GLOBAL_GUARD}")
    elif _is_off(module.get("enabled")):
        what = f"{show(where)}: jailbreak on for one decision, with prompt_guard.enabled: false for all,"
        report.error(where, f"{what} is not supported, because {_GLOBAL_GUARD}")


def _check_guard(
    plugin: Plain, model: type[Guard], where: KeyPath, shared: tuple[str, Mapped], report: Report
) -> Guard | None:
    """These plugins do not get to the canonical schema as they are, so all of them is checked here. shared:
    name and content of what holds for all decisions; a threshold that says the same is no other."""
    own, (name, module) = Report(), shared
    data = check_keys(plugin, model, own, {}, {}).data
    if _holds_reference(data) or _holds_reference(module):
        return None  # in `convert`, which keeps references: what they stand for is checked at load
    guard = validate(data, model, own)
    if guard is not None and guard.configuration.enabled and guard.configuration.threshold is not None:
        common = module.get("threshold")
        if common is None or _float(common) != guard.configuration.threshold:
            reason = f"all decisions share {name}.threshold"
            message = f"a threshold for one decision is not supported, because {reason}"
            own.error(("configuration", "threshold"), message)
    for finding in own.errors:
        report.error((*where, *finding.path), f"{show(where)}: {finding.message}")
    return guard


def convert(flat: Plain) -> Mapped:
    """The canonical document that means the same. Values that stay as they are stay the same objects."""
    source = _mapping(flat)
    document: Mapped = {"version": "v0.3"}
    for key, target in MOVED.items():
        if source.get(key) is not None:
            _put(document, target, source[key])
    if models := _models(source):
        _put(document, "providers.models", models)
    if cards := _cards(source):
        _put(document, "routing.modelCards", cards)
    for key, value in _mapping(source.get("signals")).items():
        if value is not None:
            _put(document, f"routing.signals.{key}", value)
    if domains := [_domain(category) for category in _list(source.get("categories"))]:
        _put(document, "routing.signals.domains", domains)
    if decisions := [*map(_decision, _list(source.get("decisions"))), *_prompt_decisions(source)]:
        _put(document, "routing.decisions", decisions)
    for key, value in _mapping(source.get("classifier")).items():
        _put(document, f"{_MODULES}classifier.{_CLASSIFIERS.get(key, key)}", value)
    _put_embedding(document, _mapping(source.get("bert_model")))
    if source.get("streamed_body_mode"):
        _put(document, "global.router.streamed_body", {"enabled": True})
    order = ("version", "listeners", "providers", "routing", "global")
    return {key: document[key] for key in order if key in document}


def trace(flat: Plain, converted: Plain) -> dict[KeyPath, KeyPath]:
    """Where in the flat document stood what is now at a path of the converted one. Each key, text and
    container is looked up by its identity, since `convert` moves objects and does not copy them; what is
    inside of a container that was moved is where it was."""
    places: dict[int, KeyPath] = {}
    for path, item in _walk(flat, ()):
        for found in (item, path[-1] if path else None):
            if _is_unique(found):
                places.setdefault(id(found), path)
    traced: dict[KeyPath, KeyPath] = {}
    moved: dict[KeyPath, KeyPath] = {}
    for path, item in _walk(converted, ()):
        around = moved.get(path[:-1]) if path else None
        if around is not None:
            place: KeyPath | None = (*around, path[-1])
        else:
            place = places.get(id(item)) or places.get(id(path[-1]) if path else 0)
        if place is not None:
            traced[path] = place
            if around is not None or id(item) in places:
                moved[path] = place
    return traced


def trace_lines(
    places: Mapping[KeyPath, KeyPath], lines: Mapping[KeyPath, int], *, made: bool = True
) -> dict[KeyPath, int]:
    """Lines for the converted document. What `convert` made anew takes the line of its first part, or none
    without `made`."""
    traced = {path: lines[place] for path, place in places.items() if place in lines}
    for path, line in list(traced.items()) if made else ():
        for length in range(len(path)):
            traced.setdefault(path[:length], line)
    return traced


def _is_unique(item: object) -> bool:
    """Numbers and single characters may be one object wherever they stand; longer text read is not."""
    return isinstance(item, dict | list) or (isinstance(item, str) and len(item) > 1)


def _known() -> set[str]:
    fields = (info.alias or name for name, info in FlatDocument.model_fields.items())
    return {*fields, *MOVED, *(key for key in _KEYS if "[" not in key)}


# ---------------------------------------------------------------- parts


def _models(source: Mapped) -> list[Plain]:
    """Models of `model_config`, then those that only an endpoint names."""
    configured = _mapping(source.get("model_config"))
    endpoints = [_mapping(endpoint) for endpoint in _list(source.get("vllm_endpoints"))]
    named = {name: name for endpoint in endpoints for name in _list(endpoint.get("models"))}
    names = [*configured, *(name for name in named if isinstance(name, str) and name not in configured)]
    return [_model(name, _mapping(configured.get(name)), endpoints) for name in names]


def _model(name: str, entry: Mapped, endpoints: list[Mapped]) -> Plain:
    preferred = _list(entry.get("preferred_endpoints"))
    if preferred:
        refs: list[Plain] = [_ref(endpoint) for endpoint in endpoints if endpoint.get("name") in preferred]
    else:
        serving = (each for each in endpoints if each.get("models") is None or name in _list(each["models"]))
        refs = [_ref(endpoint) for endpoint in serving]
    return {"name": name, **_pick(entry, _MODEL_KEYS), "backend_refs": refs}


def _ref(endpoint: Mapped) -> Plain:
    address = str(endpoint.get("address"))
    host = f"[{address}]" if _is_ipv6(address) else address
    return {
        **_pick(endpoint, ("name",)),
        "endpoint": f"{host}:{endpoint.get('port')}",
        **_pick(endpoint, ("protocol", "weight")),
    }


def _is_ipv6(address: str) -> bool:
    """A reference with a default holds a colon, too."""
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False


def _cards(source: Mapped) -> list[Plain]:
    entries = ((name, _mapping(entry)) for name, entry in _mapping(source.get("model_config")).items())
    return [{"name": name, **card} for name, entry in entries if (card := _pick(entry, _CARD_KEYS))]


def _domain(category: Plain) -> Plain:
    return _pick(_mapping(category), ("name", "description", "mmlu_categories", "model_scores"))


def _prompt_decisions(source: Mapped) -> Iterator[Plain]:
    """A category's system prompt becomes a decision for its domain, over the models it scores."""
    for category in map(_mapping, _list(source.get("categories"))):
        if not category.get("system_prompt") or _is_off(category.get("system_prompt_enabled")):
            continue
        prompt = _pick(category, ("system_prompt",))
        if "system_prompt_mode" in category:
            prompt["mode"] = category["system_prompt_mode"]
        yield {
            "name": category.get("name"),
            "rules": {"operator": "AND", "conditions": [{"type": "domain", "name": category.get("name")}]},
            "modelRefs": _refs_by_score(category) or [{"model": source.get("default_model")}],
            "plugins": [{"type": "system_prompt", "configuration": prompt}],
        }


def _refs_by_score(category: Mapped) -> list[Plain]:
    scores = [_mapping(score) for score in _list(category.get("model_scores"))]
    scores.sort(key=lambda score: -_float(score.get("score")))
    keys = ("model", "lora_name", "use_reasoning", "reasoning_effort")
    return [_pick(score, keys) for score in scores]


def _decision(decision: Plain) -> Plain:
    """The plugin `jailbreak` is what the global guard does anyway; `pii` becomes a policy."""
    entry = _mapping(decision)
    if not isinstance(entry.get("plugins"), list):
        return decision
    plugins = [plugin for plugin in _list(entry["plugins"]) if _type(plugin) != "jailbreak"]
    return {**entry, "plugins": [_plugin(plugin) for plugin in plugins]}


def _plugin(plugin: Plain) -> Plain:
    if _type(plugin) != "pii":
        return plugin
    configuration = _configuration(plugin)
    policy: Mapped = {"action": "log"}
    if not _is_off(configuration.get("enabled")):
        policy = {"pii_types_allowed": configuration.get("pii_types_allowed") or [], "action": "block"}
    return {"type": "pii", "configuration": policy}


def _put_embedding(document: Mapped, bert: Mapped) -> None:
    place = "global.model_catalog.embeddings.semantic."
    for key, target in (
        ("model_id", "bert_model_path"),
        ("threshold", "embedding_config.min_score_threshold"),
        ("use_cpu", "use_cpu"),
    ):
        if key in bert:
            _put(document, place + target, bert[key])


# ---------------------------------------------------------------- plain data of any shape


def _put(document: Mapped, target: str, value: Plain) -> None:
    """Sets a dotted path; two lists for one place are joined."""
    *groups, last = target.split(".")
    for group in groups:
        inner = document.setdefault(group, {})
        document = inner if isinstance(inner, dict) else {}
    present = document.get(last)
    document[last] = [*present, *value] if isinstance(present, list) and isinstance(value, list) else value


def _mapping(data: Plain) -> Mapped:
    return data if isinstance(data, dict) else {}


def _list(data: Plain) -> list[Plain]:
    return data if isinstance(data, list) else []


def _float(data: Plain) -> float:
    """A number, also as it comes out of the environment."""
    try:
        return float(data) if isinstance(data, int | float | str) else 0.0
    except ValueError:
        return 0.0


def _holds_reference(data: Plain) -> bool:
    return any(isinstance(item, str) and "${" in item for _, item in _walk(data, ()))


def _is_off(data: Plain) -> bool:
    """What the schema takes for false, also as it comes out of the environment."""
    return str(data).lower() in ("false", "off", "no", "n", "f", "0")


def _pick(data: Mapped, keys: tuple[str, ...]) -> Mapped:
    return {key: data[key] for key in keys if data.get(key) is not None}


def _type(plugin: Plain) -> Plain:
    return _mapping(plugin).get("type")


def _configuration(plugin: Plain) -> Mapped:
    return _mapping(_mapping(plugin).get("configuration"))


def _walk(data: Plain, path: KeyPath) -> Iterator[tuple[KeyPath, Plain]]:
    yield path, data
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, child in children:
        yield from _walk(child, (*path, step))
