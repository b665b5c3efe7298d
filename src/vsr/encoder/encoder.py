"""Passages in, readings out: the one place that asks tokenizer, memo and graph for a request.

`Encoder.read` tells what the heads said and how much they saw. It draws no conclusions: thresholds
for a refusal or a route are applied by signals and guards.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from vsr.encoder.backend import Backend
from vsr.encoder.batcher import Batcher, EncoderStats
from vsr.encoder.bundle import Bundle
from vsr.encoder.closeups import close_ups
from vsr.encoder.failures import EncoderFailed, EncoderTimeout
from vsr.encoder.golden import check_golden
from vsr.encoder.heads import HeadReader, WindowReading
from vsr.encoder.memo import Memo, WindowKey
from vsr.encoder.openvino import OpenVINOBackend
from vsr.encoder.plan import make_plan
from vsr.encoder.readings import put_together
from vsr.encoder.schedule import SPECIALS, Schedule
from vsr.encoder.tokens import Ints, TextTokenizer
from vsr.encoder.wide import widened
from vsr.errors import BundleError, Overloaded
from vsr.facts import Passage, Readings

QUEUE_TOKENS = 131_072
LONG_TOKENS = 512
"""A request with more tokens to read is long: it does not hold others up."""
MEMO_BYTES = 64 * 1024 * 1024
LONG_CHARACTERS = 4_000
"""Longer requests are tokenised and put together in a thread, so that the event loop is not held."""
SWITCH_SECONDS = 0.0005
"""Python lets a thread that computes go on for 5 ms before others run: one with a long text would hold up
short requests by a multiple of their own time, at each of their steps."""
BASE_SECONDS = 5.0
TOKENS_PER_SECOND = 5_000
"""A request without a deadline gets BASE_SECONDS and its tokens at this very slow rate."""

T = TypeVar("T")


class Encoder:
    """Made by `start`; the constructor takes any backend and must run inside the event loop."""

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        *,
        queue_tokens: int = QUEUE_TOKENS,
        memo_bytes: int = MEMO_BYTES,
    ) -> None:
        self.bundle = bundle
        self.stats = EncoderStats()
        self._tokenizer = TextTokenizer(bundle.tokenizer_path)
        self._memo = Memo(memo_bytes)
        self._batcher = Batcher(
            backend,
            self._tokenizer,
            HeadReader(bundle.manifest.heads),
            self._memo,
            Schedule(queue_tokens, LONG_TOKENS, backend.sizes, backend.lanes),
            self.stats,
        )

    @classmethod
    async def start(
        cls,
        bundle: Bundle,
        *,
        threads: int | None = None,
        queue_tokens: int = QUEUE_TOKENS,
        memo_bytes: int = MEMO_BYTES,
    ) -> Encoder:
        """Compiles the graph, compares the golden outputs and warms up, in one or two seconds. Shortens the
        interpreter's switch interval for the whole process.

        threads: for inference, None for all cores. queue_tokens: bound of what waits to be read.
        Raises BundleError if the graph is foreign or out of tolerance on this machine.
        """
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        backend = await asyncio.to_thread(_ready_backend, bundle, threads)
        return cls(bundle, backend, queue_tokens=queue_tokens, memo_bytes=memo_bytes)

    @property
    def queued_tokens(self) -> int:
        """Tokens admitted and not yet read; a long request counts for a share of the queue only."""
        return self._batcher.queued_tokens

    @property
    def memo_bytes(self) -> int:
        return self._memo.nbytes

    def knows(self, word: str) -> bool:
        """Whether the vocabulary has the word whole."""
        return self._tokenizer.knows(word)

    async def read(
        self, passages: Sequence[Passage], ask: Sequence[int], *, deadline: float | None = None
    ) -> Readings:
        """What every head says about the passages; all but the guard's and PII are of the passages `ask`.

        deadline: in seconds of the loop's clock; by default it grows with the length. Raises
        Overloaded (at once) if the queue is full, EncoderTimeout, EncoderFailed.
        """
        stopped = threading.Event()
        self.stats.reads += 1
        try:
            return await self._read(passages, ask, deadline, stopped)
        except TimeoutError:
            self.stats.timeouts += 1
            raise EncoderTimeout("the encoder did not finish before the deadline") from None
        except EncoderFailed:
            self.stats.failures += 1
            raise
        except Overloaded:
            self.stats.overloads += 1
            raise
        finally:
            stopped.set()

    async def aclose(self) -> None:
        """Reads that wait get EncoderFailed."""
        await self._batcher.aclose()

    async def _read(
        self,
        passages: Sequence[Passage],
        ask: Sequence[int],
        deadline: float | None,
        stopped: threading.Event,
    ) -> Readings:
        clock = asyncio.get_running_loop().time
        begun = clock()
        manifest = self.bundle.manifest
        run = _in_thread if sum(len(passage.text) for passage in passages) > LONG_CHARACTERS else _at_once
        async with asyncio.timeout_at(deadline) as timeout:
            plan = await run(
                lambda: make_plan(
                    passages, self._tokenizer, manifest.windows, self.bundle.digest, stopped.is_set
                )
            )
            if deadline is None:
                timeout.reschedule(begun + BASE_SECONDS + plan.token_count / TOKENS_PER_SECOND)
            windows = ((key, window.ids) for key, window in zip(plan.keys, plan.windows, strict=True))
            heard, memo_hits = await self._listen(windows)
            rule = manifest.heads.jailbreak.close_ups
            pieces = close_ups(passages, plan, heard, manifest.windows, rule, self.bundle.digest)
            near, _ = await self._listen((piece.key, piece.ids) for piece in pieces)
            return await run(
                lambda: put_together(
                    passages,
                    plan,
                    heard,
                    [(piece.window, near[piece.key].risk) for piece in pieces],
                    manifest.heads,
                    ask,
                    memo_hits=memo_hits,
                    seconds=clock() - begun,
                )
            )

    async def _listen(
        self, windows: Iterable[tuple[WindowKey, Ints]]
    ) -> tuple[dict[WindowKey, WindowReading], int]:
        """A reading for each key, and how many of the windows the memo knew."""
        heard: dict[WindowKey, WindowReading] = {}
        missing: dict[WindowKey, Ints] = {}
        count = hits = 0
        for key, ids in windows:
            count += 1
            known = heard.get(key) or self._memo.get(key)
            if known is None:
                missing[key] = ids
            else:
                heard[key] = known
                hits += 1
        self.stats.windows += count
        self.stats.memo_hits += hits
        if missing:
            self.stats.invocations += 1
            heard |= await self._batcher.read(missing)
        return heard, hits


def _ready_backend(bundle: Bundle, threads: int | None) -> Backend:
    tokenizer = TextTokenizer(bundle.tokenizer_path)
    backend = _torch(bundle) if bundle.engine == "torch" else _openvino(bundle, threads)
    backend = widened(backend, bundle.wide_path, bundle.manifest.heads)
    check_golden(bundle.manifest, tokenizer, backend)
    full = bundle.manifest.windows.tokens + SPECIALS
    for rows in backend.sizes(full):
        backend.warm_up(rows, full)
    return backend


def _openvino(bundle: Bundle, threads: int | None) -> Backend:
    manifest = bundle.manifest
    return OpenVINOBackend(bundle.graph_path, manifest.windows.tokens, manifest.heads, threads)


def _torch(bundle: Bundle) -> Backend:
    try:
        from vsr.encoder.torch import TorchBackend  # not installed with the server
    except ImportError as error:
        raise BundleError(
            f"bundle {bundle.path} runs on torch, and {error.name} is not installed: "
            "pip install torch safetensors, or use the OpenVINO bundle"
        ) from None
    return TorchBackend(bundle.path, bundle.manifest.heads)


async def _at_once(work: Callable[[], T]) -> T:
    return work()


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)
