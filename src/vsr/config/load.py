"""A configuration file, text or environment into a `Policy`, or one ConfigError with every problem.

The order of things: YAML → environment → (older flat format → v0.3) → keys → values → lint → compile.
This module only strings them together and gives every finding its line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from vsr.config.comments import with_comments
from vsr.config.compile import compile_policy
from vsr.config.environment import Substitution, substitute
from vsr.config.flat import check_flat, convert, is_flat, trace, trace_lines
from vsr.config.labels import DOMAINS
from vsr.config.lint import Context, lint
from vsr.config.paths import Finding, KeyPath, Plain, Report
from vsr.config.policy import Policy
from vsr.config.schema import Document
from vsr.config.storage import digest_of, read_text
from vsr.config.strict import check_keys
from vsr.config.validate import validate
from vsr.config.yamlfile import parse_yaml, to_yaml
from vsr.errors import ConfigError, Problem

DEFAULT_FILE: Final = Path(__file__).parent / "default.yaml"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """`warnings` are doubtful but do not stop anything; `inert` are keys that are known and have no effect
    (`policy.inert` holds their messages alone)."""

    policy: Policy
    warnings: tuple[Problem, ...]
    document: Document
    inert: tuple[Problem, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Warnings and keys without effect, in the words in which every command and the log tell them."""
        effectless = (replace(one, message=f"without effect: {one.message}") for one in self.inert)
        return tuple(f"warning: {problem}" for problem in (*self.warnings, *effectless))


def load_policy(path: Path, env: Mapping[str, str]) -> Policy:
    return load_config(path, env).policy


def load_config(path: Path, env: Mapping[str, str]) -> LoadedConfig:
    return load_text(read_text(path), str(path), env)


def load_text(text: str, path: str, env: Mapping[str, str]) -> LoadedConfig:
    source = parse_yaml(text, path)
    return _load(source.data, source.lines, path, env, digest_of(text))


@dataclass(frozen=True, slots=True)
class Converted:
    """dropped: what of the older file is not in the text."""

    text: str
    dropped: tuple[Problem, ...]


def convert_text(text: str, path: str) -> Converted:
    """A flat document as canonical YAML, references to the environment and comments kept."""
    source = parse_yaml(text, path)
    if not is_flat(source.data):
        raise ConfigError([Problem("is not in the flat format, there is nothing to convert", path)])
    report = Report()
    findings = check_flat(source.data, report)
    _raise(report, source.lines, path)
    converted = convert(source.data)
    lines = trace_lines(trace(source.data, converted), source.lines, made=False)
    written, lost = with_comments(converted, text, lines, nearest=True)
    dropped = [_problem(finding, source.lines, path) for finding in findings]
    comments = [Problem(f"comment without a place: {comment}", path) for comment in lost]
    return Converted(written, (*dropped, *comments))


def text_from_openai_env(base_url: str, key: str, model_names: Sequence[str]) -> str:
    """A document for every model that an OpenAI-compatible server lists: the first as default, all guards
    on, the key by reference."""
    names = [name for name in dict.fromkeys(model_names) if name not in ("vllm-sr/auto", "auto", "MoM")]
    credential: dict[str, Plain] = {"api_key_env": "OPENAI_API_KEY"} if key else {}
    backend: dict[str, Plain] = {"base_url": base_url, **credential}
    domains: list[Plain] = [{"name": name} for name in DOMAINS]
    data: Plain = {
        "version": "v0.3",
        "providers": {
            "defaults": {"default_model": names[0] if names else ""},
            "models": [{"name": name, "backend_refs": [dict(backend)]} for name in names],
        },
        "routing": {"signals": {"domains": domains}},
        "global": {"router": {"include_config_models_in_list": True}},
    }
    return to_yaml(data)


def _load(
    data: Plain, lines: Mapping[KeyPath, int], path: str, env: Mapping[str, str], digest: str
) -> LoadedConfig:
    report = Report()
    if not isinstance(data, dict):
        report.error((), "is empty" if data is None else "must be a mapping that begins with `version: v0.3`")
    given = substitute(data, env, report)
    effectless: list[Problem] = []
    if is_flat(given.data):
        findings = check_flat(given.data, report)
        _raise(report, lines, path)
        effectless += [_problem(finding, lines, path) for finding in findings]
        converted = convert(given.data)
        places = trace(given.data, converted)
        references = {path for path, place in places.items() if place in given.references}
        lines, given = trace_lines(places, lines), Substitution(converted, references)
    checked = check_keys(given.data, Document, report)
    document = validate(checked.data, Document, report)
    if document is not None:
        lint(Context(document, env, given.references, report))
    _raise(report, lines, path)
    if document is None:
        raise ConfigError([Problem("cannot be understood", path)])
    warnings = tuple(_problem(finding, lines, path) for finding in report.warnings)
    effectless += [_problem(finding, lines, path) for finding in checked.inert]
    messages = tuple(problem.message for problem in effectless)
    policy = compile_policy(document, env, digest, messages)
    return LoadedConfig(policy, warnings, document, tuple(effectless))


def _raise(report: Report, lines: Mapping[KeyPath, int], path: str) -> None:
    if report.errors:
        first = {finding.path: finding for finding in reversed(report.errors)}  # one a place is enough
        problems = [_problem(finding, lines, path) for finding in first.values()]
        raise ConfigError(sorted(problems, key=lambda problem: problem.line))


def _problem(finding: Finding, lines: Mapping[KeyPath, int], path: str) -> Problem:
    """The line of the path, or of the nearest thing around it that stands in the file."""
    for length in range(len(finding.path), 0, -1):
        line = lines.get(finding.path[:length])
        if line is not None:
            return Problem(finding.message, path, line)
    return Problem(finding.message, path, lines.get((), 0) if not finding.path else 0)
