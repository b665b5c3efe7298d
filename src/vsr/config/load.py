"""A configuration file, text or environment into a `Policy`, or one ConfigError with every problem.

The order of things: YAML → environment → (older flat format → v0.3) → keys → values → lint → compile.
This module only strings them together and gives every finding its line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vsr.config.compile import compile_policy
from vsr.config.environment import substitute
from vsr.config.flat import check_flat, convert, is_flat, trace_lines
from vsr.config.labels import DOMAINS
from vsr.config.lint import Context, lint
from vsr.config.paths import Finding, KeyPath, Plain, Report
from vsr.config.policy import Policy
from vsr.config.schema import Document
from vsr.config.strict import check_keys
from vsr.config.validate import validate
from vsr.config.yamlfile import parse_yaml, to_yaml
from vsr.errors import ConfigError, Problem

DEFAULT_FILE: Final = Path(__file__).parent / "default.yaml"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """`warnings` are doubtful but do not stop anything; `policy.inert` lists keys without effect."""

    policy: Policy
    warnings: tuple[Problem, ...]
    document: Document


def load_policy(path: Path, env: Mapping[str, str]) -> Policy:
    return load_config(path, env).policy


def load_config(path: Path, env: Mapping[str, str]) -> LoadedConfig:
    return load_text(_read(path), str(path), env)


def load_text(text: str, path: str, env: Mapping[str, str]) -> LoadedConfig:
    source = parse_yaml(text, path)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return _load(source.data, source.lines, path, env, digest)


def convert_text(text: str, path: str) -> str:
    """A flat document as canonical YAML, references to the environment kept as they are."""
    source = parse_yaml(text, path)
    if not is_flat(source.data):
        raise ConfigError([Problem("is not in the flat format, there is nothing to convert", path)])
    report = Report()
    check_flat(source.data, report)
    _raise(report, source.lines, path)
    return to_yaml(convert(source.data))


def policy_from_openai_env(base_url: str, key: str, model_names: Sequence[str]) -> Policy:
    """Every model that an OpenAI-compatible server lists, the first as default, all guards on."""
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
    digest = hashlib.sha256(to_yaml(data).encode()).hexdigest()
    return _load(data, {}, "OPENAI_BASE_URL", {"OPENAI_API_KEY": key}, digest).policy


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("is not UTF-8 text", str(path))]) from error
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror}", str(path))]) from error


def _load(
    data: Plain, lines: Mapping[KeyPath, int], path: str, env: Mapping[str, str], digest: str
) -> LoadedConfig:
    report = Report()
    if not isinstance(data, dict):
        report.error((), "is empty" if data is None else "must be a mapping that begins with `version: v0.3`")
    given = substitute(data, env, report)
    inert: list[Finding] = []
    if is_flat(given.data):
        inert += check_flat(given.data, report)
        _raise(report, lines, path)
        converted = convert(given.data)
        lines, given.data = trace_lines(given.data, lines, converted), converted
    checked = check_keys(given.data, Document, report)
    document = validate(checked.data, Document, report)
    if document is not None:
        lint(Context(document, env, given.references, report))
    _raise(report, lines, path)
    if document is None:
        raise ConfigError([Problem("cannot be understood", path)])
    effectless = tuple(finding.message for finding in (*inert, *checked.inert))
    warnings = tuple(_problem(finding, lines, path) for finding in report.warnings)
    return LoadedConfig(compile_policy(document, env, digest, effectless), warnings, document)


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
