"""Suites of prompts with what shall become of them: the original's `probes.yaml`, read and checked.

A suite lists `decisions`, each with `variants` (prompts) that share what is expected. Anything expected
may stand with the decision or with one variant; what is not given is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from vsr.config.compile_projections import compile_bounds
from vsr.config.paths import Plain, Report
from vsr.config.predicate import Predicate
from vsr.config.resolve import SIGNAL_SECTIONS
from vsr.config.schema.base import Bounds, Count, Number, Section, Whole
from vsr.config.strict import check_keys
from vsr.config.validate import validate
from vsr.config.yamlfile import parse_yaml
from vsr.errors import ConfigError, Problem

MAX_REPEAT: Final = 100_000
Repeat = Annotated[Count, Field(le=MAX_REPEAT)]
Percent = Annotated[Number, Field(ge=0, le=100)]


class Padding(Section):
    text: str
    repeat: Repeat = 1
    placement: Literal["before", "after", "around"] = "before"


class GeneratedText(Section):
    """A text part of a message, put in or made longer to so many bytes: by `text` again and again, else
    by itself."""

    text: str = ""
    message_index: Annotated[Whole, Field(ge=0)]
    content_index: Annotated[Whole, Field(ge=0)]
    target_text_bytes: Annotated[Count, Field(le=16 * 1024 * 1024)]


class Expectations(Section):
    """expected_alias is the original's name for the model; `expected_signals` lists families by their key
    in `routing.signals` or their type. Notes, and what is said about how to show or select, are read over."""

    model: str = ""
    expected_recipe: str | None = None
    expected_decision: str | None = None
    expected_alias: str | None = None
    expected_model: str | None = None
    expected_algorithm: str | None = None
    expected_outcome: str | None = None
    expected_plugins: tuple[str, ...] | None = None
    expected_signals: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    forbidden_signals: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    expected_signal_values: dict[str, Bounds] = Field(default_factory=dict)
    plugin_match: Literal["contains", "exact"] | None = None
    signal_match: Literal["contains"] | None = None
    tags: tuple[str, ...] = ()
    notes: str = ""
    expected_selection_status: str = ""


class Variant(Expectations):
    id: str = ""
    query: str | None = None
    messages: tuple[dict[str, object], ...] | None = None
    tools: tuple[dict[str, object], ...] | None = None
    tool_choice: str | dict[str, object] | None = None
    generated_text: GeneratedText | None = None
    display_prompt: str = ""
    playground: dict[str, object] = Field(default_factory=dict)
    repeat: Repeat = 1
    padding: Padding | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Variant:
        if (self.query is None) == (self.messages is None):
            raise ValueError("needs either query or messages")
        if self.messages is not None and (self.padding or self.repeat > 1):
            raise ValueError("repeat and padding belong to a query")
        return self


class Group(Expectations):
    id: str
    objective: str = ""
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]


class Assets(Section):
    yaml: str = ""
    dsl: str = ""


class Acceptance(Section):
    min_probe_pass_rate: Percent = 100.0
    min_decision_pass_rate: Percent = 100.0


class Evaluation(Section):
    """For a runner over HTTP; nothing here waits for a network."""

    request_timeout_seconds: Number = 300.0
    concurrency: Count = 8


class Image(Section):
    description: str = ""
    media_type: str = "image/png"
    sha256: str = ""
    data_base64: str


class Fixtures(Section):
    images: dict[str, Image] = Field(default_factory=dict)


class Suite(Section):
    """coverage: what the original demands of suites of its own; it is read over."""

    schema_version: str = ""
    fixtures: Fixtures = Fixtures()
    coverage: dict[str, object] = Field(default_factory=dict)
    name: str = ""
    description: str = ""
    routing_assets: Assets = Assets()
    router_eval_endpoint: str = ""
    evaluation: Evaluation = Evaluation()
    acceptance: Acceptance = Acceptance()
    decisions: Annotated[tuple[Group, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Probe:
    """One request and what is expected of it. signals: (type, name); forbidden: those that must not match;
    values: what a signal's value must keep to. exact: no other plugins."""

    group: str
    id: str
    body: Mapping[str, Any]
    expected: Mapping[str, str]
    plugins: frozenset[str] | None
    signals: frozenset[tuple[str, str]]
    forbidden: frozenset[tuple[str, str]] = frozenset()
    values: Mapping[tuple[str, str], Predicate] = field(default_factory=dict)
    exact: bool = False


_FAMILIES: Final = {section: kind for kind, section in SIGNAL_SECTIONS.items()}
_FIELDS: Final = ("recipe", "decision", "algorithm", "outcome")


def read_suite(path: Path) -> Suite:
    """Raises ConfigError with every problem and its line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", str(path))]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem("is not UTF-8 text", str(path))]) from None
    source, report = parse_yaml(text, str(path)), Report()
    if not isinstance(source.data, dict):
        report.error((), "must be a mapping with `decisions`")
    checked = check_keys(source.data, Suite, report, keys={}, values={})
    suite = validate(checked.data, Suite, report)
    if suite is not None and not report.errors:
        return suite
    problems = [
        Problem(finding.message, str(path), _line(finding.path, source.lines)) for finding in report.errors
    ]
    raise ConfigError(sorted(problems, key=lambda problem: problem.line))


def configuration(suite: Suite, path: Path) -> Path:
    """The configuration beside the suite: as `routing_assets.yaml` says from there, or its bare name."""
    named = suite.routing_assets.yaml
    if not named:
        raise ConfigError([Problem("names no configuration; give --config", str(path))])
    candidates = (path.parent / named, path.parent / Path(named).name)
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise ConfigError([Problem(f"routing_assets.yaml: there is no {candidates[1]}", str(path))])
    return found


def probes(suite: Suite, auto_name: str, entrypoints: Mapping[str, str] | None = None) -> list[Probe]:
    """entrypoints: model name → recipe. A prompt that names no model asks the recipe that it expects."""
    names = {recipe: name for name, recipe in reversed(list((entrypoints or {}).items()))}
    return [
        _probe(
            group,
            variant,
            str(number),
            names.get(_first(variant, group, "expected_recipe") or "", auto_name),
            suite.fixtures,
        )
        for group in suite.decisions
        for number, variant in enumerate(group.variants, 1)
    ]


def _probe(group: Group, variant: Variant, number: str, auto_name: str, fixtures: Fixtures) -> Probe:
    expected = {
        field: value
        for field in _FIELDS
        if (value := _first(variant, group, f"expected_{field}")) is not None
    }
    for key in ("expected_alias", "expected_model"):
        if (model := _first(variant, group, key)) is not None:
            expected["model"] = model
    plugins = variant.expected_plugins if variant.expected_plugins is not None else group.expected_plugins
    values = {**group.expected_signal_values, **variant.expected_signal_values}
    return Probe(
        group=group.id,
        id=variant.id or number,
        body=_body(variant, variant.model or group.model or auto_name, fixtures),
        expected=expected,
        plugins=None if plugins is None else frozenset(plugins),
        signals=_named({**group.expected_signals, **variant.expected_signals}),
        forbidden=_named({**group.forbidden_signals, **variant.forbidden_signals}),
        values={_key(name): compile_bounds(bounds) for name, bounds in values.items()},
        exact=_first(variant, group, "plugin_match") == "exact",
    )


def _named(signals: Mapping[str, tuple[str, ...]]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (_FAMILIES.get(family, family), name) for family, names in signals.items() for name in names
    )


def _key(name: str) -> tuple[str, str]:
    """`embedding:billing` as type and name."""
    family, _, own = name.partition(":")
    return _FAMILIES.get(family, family), own


def _first(variant: Variant, group: Group, key: str) -> str | None:
    own: str | None = getattr(variant, key)
    shared: str | None = getattr(group, key)
    return shared if own is None else own


def _body(variant: Variant, model: str, fixtures: Fixtures) -> dict[str, Any]:
    tools: dict[str, Any] = {"tools": list(variant.tools)} if variant.tools else {}
    if variant.tool_choice is not None:
        tools["tool_choice"] = variant.tool_choice
    if variant.messages is not None:
        messages = [_with_images(message, fixtures) for message in variant.messages]
        if variant.generated_text is not None:
            _lengthen(messages, variant.generated_text)
        return {"model": model, "messages": messages, **tools}
    text = " ".join([variant.query or ""] * variant.repeat)
    if variant.padding is not None:
        filling = " ".join([variant.padding.text] * variant.padding.repeat)
        orders = {
            "before": (filling, text),
            "after": (text, filling),
            "around": (filling, text, filling),
        }
        text = "\n".join(orders[variant.padding.placement])
    return {"model": model, "messages": [{"role": "user", "content": text}], **tools}


def _with_images(message: Mapping[str, Any], fixtures: Fixtures) -> dict[str, Any]:
    """Parts of the type image_fixture as images."""
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    return {**message, "content": [_part(part, fixtures) for part in content]}


def _part(part: Any, fixtures: Fixtures) -> Any:
    if not isinstance(part, dict) or part.get("type") != "image_fixture":
        return dict(part) if isinstance(part, dict) else part
    image = fixtures.images.get(str(part.get("fixture")))
    if image is None:
        raise ConfigError([Problem(f"there is no image '{part.get('fixture')}' in fixtures")])
    data = "".join(image.data_base64.split())
    return {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"}}


def _lengthen(messages: list[dict[str, Any]], wanted: GeneratedText) -> None:
    parts = messages[wanted.message_index].get("content") if wanted.message_index < len(messages) else None
    if not isinstance(parts, list) or wanted.content_index > len(parts):
        raise ConfigError([Problem("generated_text names no part of the messages")])
    part = parts[wanted.content_index] if wanted.content_index < len(parts) else None
    if not (isinstance(part, dict) and part.get("type") == "text"):
        part = {"type": "text", "text": ""}
        parts.insert(wanted.content_index, part)
    said = str(part["text"])
    more = wanted.text or said or " "
    missing = max(0, wanted.target_text_bytes - len(said.encode()))
    filling = more * (missing // len(more.encode()) + 1)
    part["text"] = said + filling.encode()[:missing].decode(errors="ignore")


def _line(path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> int:
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


__all__ = ["Plain", "Probe", "Suite", "configuration", "probes", "read_suite"]
