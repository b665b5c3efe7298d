"""The models beside the bundle that a policy's signals ask, opened when a generation starts.

A local model that cannot be loaded stops the start. A service that does not answer does not: what
depends on it carries an error until it does. How services are called is `encoder.remote`'s affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from vsr.config import policy_services
from vsr.config.policy import Policy
from vsr.config.policy_services import MCPServer, Service
from vsr.config.policy_signals import ClassifierRule, PreferenceRule
from vsr.encoder.classifiers import Embedder, TextClassifier
from vsr.encoder.imported.model import ImportedClassifier, start
from vsr.encoder.remote.chat import ChatScorer
from vsr.encoder.remote.classify import HTTPClassifier
from vsr.encoder.remote.guard import (
    CHAT_INSTRUCTIONS,
    CHAT_LABELS,
    ChatJudge,
    ClassifyJudge,
    Judge,
    RemoteGuard,
)
from vsr.encoder.remote.http import HTTPService
from vsr.encoder.remote.limits import Limits
from vsr.errors import BundleError, ConfigError, Problem
from vsr.signals.late import LateEmbedder, LateMCP
from vsr.signals.shared import Closing, Shared

NEITHER: Final = "none of these"
"""What a preference model may answer where no preference fits."""


@dataclass(frozen=True, slots=True)
class Seats:
    """classifiers: by the name of the rule. embedder: makes all vectors instead of the bundle.
    preferences: by recipe, what labels texts with the names of its preference rules. guard: judges beside
    the bundle's head. owned: what ends with the seats."""

    classifiers: Mapping[str, TextClassifier] = field(default_factory=dict)
    embedder: Embedder | None = None
    preferences: Mapping[str, TextClassifier] = field(default_factory=dict)
    guard: RemoteGuard | None = None
    owned: Sequence[Closing] = ()

    async def aclose(self) -> None:
        for one in self.owned:
            await one.aclose()


async def open_seats(policy: Policy, shared: Shared) -> Seats:
    """One connection for all rules that ask the same, those of other generations too. Raises BundleError
    for a local model that cannot be used, ConfigError where recipes give one name to different models or a
    package is missing."""
    async with shared.opening:
        return await _open(policy, _Opening(shared))


async def _open(policy: Policy, opening: _Opening) -> Seats:
    try:
        for one in (policy, *policy.recipes.values()):
            for rule in one.signals.classifiers:
                await opening.classifier(rule)
            if one.signals.preferrer is not None:
                opening.preference(one.recipe, one.signals.preferrer, one.signals.preferences)
        if policy.signals.embedder is not None:
            opening.embed(policy.signals.embedder)
        if policy.guards.jailbreak.remote is not None:
            opening.guard(policy.guards.jailbreak.remote)
    except BaseException:
        await opening.seats().aclose()
        raise
    return opening.seats()


class _Opening:
    def __init__(self, shared: Shared) -> None:
        self._lease = shared.lease()
        self._rules: dict[str, ClassifierRule] = {}
        self._classifiers: dict[str, TextClassifier] = {}
        self._preferences: dict[str, TextClassifier] = {}
        self._embedder: Embedder | None = None
        self._guard: RemoteGuard | None = None

    def seats(self) -> Seats:
        return Seats(self._classifiers, self._embedder, self._preferences, self._guard, (self._lease,))

    async def classifier(self, rule: ClassifierRule) -> None:
        if _asked(self._rules.setdefault(rule.name, rule)) != _asked(rule):
            raise _wrong(rule, "recipes give it different models; rename one")
        if rule.kind == "local":
            self._classifiers[rule.name] = await self._local(rule)
        elif rule.server is not None:
            self._classifiers[rule.name] = self._mcp(rule, rule.server)
        elif rule.service is not None:
            self._classifiers[rule.name] = self._remote(rule, rule.service)

    def preference(self, recipe: str, service: Service, rules: Sequence[PreferenceRule]) -> None:
        routes = "\n".join(f"- {rule.name}: {rule.description or '; '.join(rule.examples)}" for rule in rules)
        labels = (*(rule.name for rule in rules), NEITHER)
        self._preferences[recipe] = self._chat(service, labels, f"Which of these fits the message?\n{routes}")

    def embed(self, service: Service) -> None:
        http = self._http(service)
        self._embedder = self._lease.take(
            (LateEmbedder, service), lambda: LateEmbedder(http, service.model, service.dimension)
        )

    def guard(self, given: policy_services.RemoteGuard) -> None:
        service = given.service
        judge: Judge
        if given.protocol == "http_classify":
            http = self._http(service)
            judge = ClassifyJudge(http, given.labels, dialect=service.dialect, model=service.model)
        else:
            told = "" if service.parser == "qwen3guard" else CHAT_INSTRUCTIONS
            judge = ChatJudge(self._chat(service, CHAT_LABELS, told))
        self._guard = RemoteGuard(judge)

    async def _local(self, rule: ClassifierRule) -> ImportedClassifier:
        path = Path(rule.model_path)
        model = await self._lease.load((start, path, _files(path)), lambda: start(path))
        if not isinstance(model, ImportedClassifier):
            raise BundleError(f"classifier '{rule.name}': the model does not classify texts")
        if unknown := set(rule.labels) - set(model.labels):
            known = ", ".join(model.labels)
            raise BundleError(f"classifier '{rule.name}': no label {sorted(unknown)[0]}; known: {known}")
        return model

    def _remote(self, rule: ClassifierRule, service: Service) -> TextClassifier:
        if rule.kind == "llm":
            return self._chat(service, rule.labels, rule.instructions)
        http = self._http(service)
        return HTTPClassifier(http, rule.labels, dialect=service.dialect, model=service.model)

    def _chat(self, service: Service, labels: tuple[str, ...], instructions: str) -> ChatScorer:
        return ChatScorer(
            self._http(service),
            labels,
            model=service.model,
            instructions=instructions,
            parser=service.parser,
            max_tokens=service.max_tokens,
            temperature=service.temperature,
        )

    def _http(self, service: Service) -> HTTPService:
        key = service.key.reveal() if service.key else ""
        limits = Limits(timeout=service.timeout)
        return self._lease.take(
            (HTTPService, service), lambda: HTTPService(service.name, service.url, key=key, limits=limits)
        )

    def _mcp(self, rule: ClassifierRule, server: MCPServer) -> LateMCP:
        if find_spec("mcp") is None:
            raise _wrong(rule, "type mcp needs a package more: pip install 'vsr-router[mcp]'")
        return self._lease.take((LateMCP, server, rule.labels), lambda: LateMCP(server, rule.labels))


def _files(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells a model's directory from itself after a change; nothing for one that cannot be read."""
    try:
        files = sorted((one.name, one.stat()) for one in path.iterdir())
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _asked(rule: ClassifierRule) -> tuple[object, ...]:
    """What makes two rules of one name the same model; a local one may be asked for other labels."""
    labels = () if rule.kind == "local" else rule.labels
    return (rule.kind, rule.model_path, rule.service, rule.server, rule.instructions, labels)


def _wrong(rule: ClassifierRule, message: str) -> ConfigError:
    return ConfigError([Problem(f"classifier '{rule.name}': {message}")])
