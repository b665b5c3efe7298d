"""A request cut up for the graph: tokens of its passages, windows over them, and the windows' names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vsr.encoder.manifest import WindowScheme
from vsr.encoder.memo import WindowKey, window_key
from vsr.encoder.tokens import TextTokenizer, Tokens
from vsr.encoder.windows import Window, bridging_windows, passage_windows
from vsr.facts import Passage


@dataclass(frozen=True, slots=True)
class Plan:
    """`windows` holds each passage's windows in order (`of_passage` has their ranges), then the
    bridging ones; `keys[i]` names the content of `windows[i]`."""

    tokens: tuple[Tokens, ...]
    windows: tuple[Window, ...]
    keys: tuple[WindowKey, ...]
    of_passage: tuple[range, ...]

    @property
    def token_count(self) -> int:
        return sum(len(tokens) for tokens in self.tokens)


def make_plan(
    passages: Sequence[Passage],
    tokenizer: TextTokenizer,
    scheme: WindowScheme,
    bundle_digest: str,
    stopped: Callable[[], bool],
) -> Plan:
    """For long requests call it in a thread, see `TextTokenizer.encode`."""
    tokens = tuple(tokenizer.encode(passage.text.reveal(), stopped) for passage in passages)
    windows: list[Window] = []
    ranges = []
    for number, of_passage in enumerate(tokens):
        first = len(windows)
        windows += passage_windows(number, of_passage, scheme)
        ranges.append(range(first, len(windows)))
    windows += bridging_windows(passages, tokens, scheme)
    keys = tuple(window_key(bundle_digest, window.ids) for window in windows)
    return Plan(tokens, tuple(windows), keys, tuple(ranges))
