"""Suites of prompts with what shall become of them: the original's `probes.yaml`, read and checked.

A suite lists `decisions`, each with `variants` (prompts) that share what is expected. Anything expected
may stand with the decision or with one variant; what is not given is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from vsr.config.paths import Plain, Report
from vsr.config.resolve import SIGNAL_SECTIONS
from vsr.config.schema.base import Count, Number, Section
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
    placement: Literal["before", "after"] = "before"


class Expectations(Section):
    """expected_alias is the original's name for the model; `expected_signals` lists families by their key
    in `routing.signals` or their type."""

    model: str = ""
    expected_recipe: str | None = None
    expected_decision: str | None = None
    expected_alias: str | None = None
    expected_model: str | None = None
    expected_algorithm: str | None = None
    expected_outcome: str | None = None
    expected_plugins: tuple[str, ...] | None = None
    expected_signals: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()


class Variant(Expectations):
    id: str = ""
    query: str | None = None
    messages: tuple[dict[str, object], ...] | None = None
    tools: tuple[dict[str, object], ...] | None = None
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


class Suite(Section):
    name: str = ""
    description: str = ""
    routing_assets: Assets = Assets()
    router_eval_endpoint: str = ""
    evaluation: Evaluation = Evaluation()
    acceptance: Acceptance = Acceptance()
    decisions: Annotated[tuple[Group, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Probe:
    """One request and what is expected of it. signals: (type, name)."""

    group: str
    id: str
    body: Mapping[str, Any]
    expected: Mapping[str, str]
    plugins: frozenset[str] | None
    signals: frozenset[tuple[str, str]]


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


def probes(suite: Suite, auto_name: str) -> list[Probe]:
    return [
        _probe(group, variant, str(number), auto_name)
        for group in suite.decisions
        for number, variant in enumerate(group.variants, 1)
    ]


def _probe(group: Group, variant: Variant, number: str, auto_name: str) -> Probe:
    expected = {
        field: value
        for field in _FIELDS
        if (value := _first(variant, group, f"expected_{field}")) is not None
    }
    for key in ("expected_alias", "expected_model"):
        if (model := _first(variant, group, key)) is not None:
            expected["model"] = model
    plugins = variant.expected_plugins if variant.expected_plugins is not None else group.expected_plugins
    signals = {**group.expected_signals, **variant.expected_signals}
    return Probe(
        group=group.id,
        id=variant.id or number,
        body=_body(variant, variant.model or group.model or auto_name),
        expected=expected,
        plugins=None if plugins is None else frozenset(plugins),
        signals=frozenset(
            (_FAMILIES.get(family, family), name) for family, names in signals.items() for name in names
        ),
    )


def _first(variant: Variant, group: Group, key: str) -> str | None:
    own: str | None = getattr(variant, key)
    shared: str | None = getattr(group, key)
    return shared if own is None else own


def _body(variant: Variant, model: str) -> dict[str, Any]:
    tools = {"tools": list(variant.tools)} if variant.tools else {}
    if variant.messages is not None:
        return {"model": model, "messages": list(variant.messages), **tools}
    text = " ".join([variant.query or ""] * variant.repeat)
    if variant.padding is not None:
        filling = " ".join([variant.padding.text] * variant.padding.repeat)
        parts = (filling, text) if variant.padding.placement == "before" else (text, filling)
        text = "\n".join(parts)
    return {"model": model, "messages": [{"role": "user", "content": text}], **tools}


def _line(path: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> int:
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


__all__ = ["Plain", "Probe", "Suite", "configuration", "probes", "read_suite"]
