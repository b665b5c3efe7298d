"""The older flat format: what it may hold, and its translation into the canonical `v0.3` document.

`convert` is pure and moves values without looking inside more than it must; whatever is wrong with a
moved value is said by the canonical schema, in the line where the value stood (`trace_lines`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from pydantic import Field

from vsr.config.paths import Finding, KeyPath, Plain, Report
from vsr.config.pending_entry import Pending
from vsr.config.schema.base import Name, Port, Section, Whole
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


class FlatDocument(Section):
    """Besides these keys, those of `MOVED`."""

    vllm_endpoints: tuple[FlatEndpoint, ...] = ()
    models: dict[str, FlatModel] = Field(default_factory=dict, alias="model_config")
    categories: tuple[FlatCategory, ...] = ()
    classifier: FlatClassifier = FlatClassifier()
    decisions: tuple[dict[str, object], ...] = ()
    signals: dict[str, object] = Field(default_factory=dict)
    bert_model: dict[str, object] = Field(default_factory=dict)
    streamed_body_mode: bool = False


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
    for index, decision in enumerate(_list(_mapping(data).get("decisions"))):
        for position, plugin in enumerate(_list(_mapping(decision).get("plugins"))):
            if _type(plugin) == "jailbreak" and _configuration(plugin).get("enabled") is False:
                where = ("decisions", index, "plugins", position)
                what = f"decisions[{index}].plugins[{position}]: jailbreak off for one decision"
                report.error(where, f"{what} is not supported, because {_GLOBAL_GUARD}")
    return checked.inert


def left_out(flat: Plain) -> list[Finding]:
    """What `convert` leaves out because it happens anyway."""
    return [
        Finding(("decisions", index, "plugins", position), f"the plugin jailbreak ({_GLOBAL_GUARD})")
        for index, decision in enumerate(_list(_mapping(flat).get("decisions")))
        for position, plugin in enumerate(_list(_mapping(decision).get("plugins")))
        if _type(plugin) == "jailbreak"
    ]


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


def trace_lines(
    flat: Plain, lines: Mapping[KeyPath, int], converted: Plain, *, made: bool = True
) -> dict[KeyPath, int]:
    """Lines for the converted document: each key, text and container is looked up by its identity, since
    `convert` moves objects and does not copy them. What it made anew takes the line of its first part, or
    none without `made`."""
    places: dict[int, int] = {}
    for path, item in _walk(flat, ()):
        for found in (item, path[-1] if path else None):
            if _is_unique(found):
                places.setdefault(id(found), lines.get(path, 0))
    traced = {}
    for path, item in _walk(converted, ()):
        line = places.get(id(item)) or places.get(id(path[-1]) if path else 0)
        if line:
            traced[path] = line
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
    host = f"[{address}]" if ":" in address else address
    return {
        **_pick(endpoint, ("name",)),
        "endpoint": f"{host}:{endpoint.get('port')}",
        **_pick(endpoint, ("protocol", "weight")),
    }


def _cards(source: Mapped) -> list[Plain]:
    entries = ((name, _mapping(entry)) for name, entry in _mapping(source.get("model_config")).items())
    return [{"name": name, **card} for name, entry in entries if (card := _pick(entry, _CARD_KEYS))]


def _domain(category: Plain) -> Plain:
    return _pick(_mapping(category), ("name", "description", "mmlu_categories", "model_scores"))


def _prompt_decisions(source: Mapped) -> Iterator[Plain]:
    """A category's system prompt becomes a decision for its domain, over the models it scores."""
    for category in map(_mapping, _list(source.get("categories"))):
        if not category.get("system_prompt") or category.get("system_prompt_enabled") is False:
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
    if configuration.get("enabled") is not False:
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
    return float(data) if isinstance(data, int | float) else 0.0


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
