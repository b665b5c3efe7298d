"""Changing the configuration of a running router: read, judged, built, and only then put in use.

Whatever is wrong with a new configuration leaves the last good one in place, and is told in the log
(once per content), in metrics and to whoever asks `rejected`. One change at a time; requests never wait
for one. What a configuration means is `config`'s business, how requests move over is `generation`'s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from vsr.config.fixed import needs_restart
from vsr.config.load import LoadedConfig
from vsr.config.policy import Policy
from vsr.config.storage import ConfigFile, digest_of
from vsr.config.watch import INTERVAL, SETTLE, changes
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.errors import (
    BundleError,
    ConfigError,
    Conflict,
    EncoderBusy,
    Overloaded,
    Problem,
    RestartNeeded,
    VSRError,
    log_crash,
)
from vsr.generation import Generation, Live

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0)
_RETRY = 10.0
"""Seconds after which what met a busy encoder is tried again."""

Fixed = Callable[[Policy, Policy], list[str]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where configurations come from. file None: nowhere else than from the start of the process.
    load: a text into a configuration as it will be served, flags applied; raises ConfigError."""

    name: str
    file: ConfigFile | None
    load: Callable[[str], LoadedConfig]


@dataclass(frozen=True, slots=True)
class Active:
    """What is served. text: as it was written, references to the environment included. since: Unix time."""

    text: str
    loaded: LoadedConfig
    generation: int
    since: float

    @property
    def digest(self) -> str:
        return digest_of(self.text)


@dataclass(frozen=True, slots=True)
class Rejected:
    """What the file holds and cannot be served. digest: empty if it could not even be read. transient:
    nothing is known to be wrong with it, so that it is worth trying again."""

    digest: str
    problems: tuple[Problem, ...]
    since: float
    transient: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    text: str
    loaded: LoadedConfig
    generation: Generation


class Reloader:
    """Used from one event loop.

    fixed: sentences about what a running router cannot change. activated: told every text that is put
    in use.
    """

    def __init__(
        self,
        live: Live,
        source: Source,
        text: str,
        loaded: LoadedConfig,
        *,
        fixed: Fixed = needs_restart,
        activated: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.source = source
        self.active = Active(text, loaded, live.current.number, time.time())
        self.rejected: Rejected | None = None
        self._live = live
        self._fixed = fixed
        self._activated = activated
        self._changing = asyncio.Lock()
        self._note_success()

    async def reload(self, *, force: bool = False) -> bool:
        """Read the file and use what it holds; force: also if it is what is in use, since files that it
        names may have changed, or what was rejected. What met a busy encoder is tried in any case. Whether
        the file is in use now. Never raises."""
        file = self.source.file
        if file is None:
            return True
        async with self._changing:
            try:
                text = await asyncio.to_thread(file.read)
            except ConfigError as error:
                self._reject("", error)
                return False
            digest, before = digest_of(text), self.rejected
            known = before if before is not None and before.digest == digest else None
            force = force or (known is not None and known.transient)
            if digest == self.active.digest and not force:
                self._forgive()
                return True
            if known is not None and not force:
                return False
            try:
                self._use(await self._prepare(text))
            except VSRError as error:
                self._reject(digest, error)
                return False
            return True

    async def check(self, text: str) -> LoadedConfig:
        """As `put`, without any effect: ConfigError if it is wrong, RestartNeeded if it cannot be put in
        use while the router runs, EncoderBusy if that cannot be told now."""
        candidate = await self._prepare(text)
        await candidate.generation.discard()
        return candidate.loaded

    async def put(self, text: str, *, expected: str = "") -> Active:
        """Check, save and use a text. expected: digest of what it replaces, empty for whatever is there.

        Raises ConfigError (RestartNeeded) and SelectorError if it cannot be used, EncoderBusy if not
        now, Stale and NotSaved if it cannot be saved, Conflict if there is no file; then nothing has
        changed.
        """
        file = self.source.file
        if file is None:
            raise Conflict(
                "This router was started without a configuration file: start it with --config FILE.",
                code="config_read_only",
            )
        async with self._changing:
            candidate = await self._prepare(text)
            try:
                await asyncio.to_thread(file.replace, text, expected=expected)
            except BaseException:
                await candidate.generation.discard()
                raise
            self._use(candidate)
            return self.active

    async def watch(
        self, *, interval: float = INTERVAL, settle: float = SETTLE, retry: float = _RETRY
    ) -> None:
        """Follow the file until cancelled, and try again what met a busy encoder."""
        if self.source.file is None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._try_again(retry))
            async for _ in changes(self.source.file.path, interval=interval, settle=settle):
                await self.reload()

    async def _try_again(self, retry: float) -> None:
        """Whoever asked for it: a signal leaves the file as it is, so no change of it would be noticed."""
        while True:
            await asyncio.sleep(retry)
            if self.rejected is not None and self.rejected.transient:
                await self.reload()

    async def _prepare(self, text: str) -> _Candidate:
        try:
            loaded = await asyncio.to_thread(self.source.load, text)
            if fixed := self._fixed(self.active.loaded.policy, loaded.policy):
                problems = [Problem(sentence, self.source.name) for sentence in fixed]
                raise RestartNeeded(problems, loaded.warnings, loaded.inert)
            return _Candidate(text, loaded, await self._build(loaded.policy))
        except (EncoderFailed, EncoderTimeout, Overloaded):
            message = "The examples of the configuration could not be read: the encoder is busy or failing."
            raise EncoderBusy(message, retry_after=10) from None
        except BundleError as error:  # of a model that a signal asks
            raise ConfigError([Problem(str(error), self.source.name)]) from None
        except VSRError:
            raise
        except Exception as error:  # noqa: BLE001 # a bug must not end the router that runs
            log_crash(logger, "loading a configuration failed", error)
            raise ConfigError([Problem("cannot be loaded: internal error", self.source.name)]) from None

    async def _build(self, policy: Policy) -> Generation:
        """Examples are read by the encoder that serves the requests, too: when it is busy, wait a little."""
        for pause in _PAUSES:
            try:
                return await self._live.current.successor(policy)
            except (EncoderFailed, Overloaded):
                await asyncio.sleep(pause)
        return await self._live.current.successor(policy)

    def _use(self, candidate: _Candidate) -> None:
        patience = max(listener.timeout for listener in self.active.loaded.policy.listeners)
        self._live.switch(candidate.generation, patience=patience)
        self.active = Active(candidate.text, candidate.loaded, candidate.generation.number, time.time())
        self._activated(candidate.text)
        self._live.current.metrics.reloads.labels(result="used").inc()
        self._note_success()
        logger.info(
            "configuration %s is in use (generation %d)", self.active.digest[:12], self.active.generation
        )
        for remark in candidate.loaded.remarks:
            logger.warning("%s", remark)

    def _forgive(self) -> None:
        """The file holds again what is in use."""
        if self.rejected is not None:
            logger.info("the configuration file holds again what is in use")
            self._note_success()

    def _note_success(self) -> None:
        self.rejected = None
        metrics = self._live.current.metrics
        metrics.reload_successful.set(1)
        metrics.reload_time.set(self.active.since)
        metrics.config_generation.set(self.active.generation)

    def _reject(self, digest: str, error: VSRError) -> None:
        problems = tuple(error.problems) if isinstance(error, ConfigError) else (Problem(str(error)),)
        before = self.rejected
        if before is None or (before.digest, before.problems) != (digest, problems):
            self.rejected = Rejected(digest, problems, time.time(), isinstance(error, EncoderBusy))
            logger.error(
                "the configuration was rejected, generation %d stays in use:\n%s",
                self.active.generation,
                "\n".join(map(str, problems)),
            )
        metrics = self._live.current.metrics
        metrics.reload_successful.set(0)
        metrics.reloads.labels(result="rejected").inc()
