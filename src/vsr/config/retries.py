"""When a request goes out once more: the words of `retry_on`, which are Envoy's."""

from __future__ import annotations

from typing import Final, get_args

from vsr.config.paths import suggest
from vsr.config.policy_reliability import DEFAULT_RETRY_ON, RetryCondition

_CONDITIONS: Final[tuple[RetryCondition, ...]] = get_args(RetryCondition)


def retry_conditions(text: str) -> tuple[RetryCondition, ...]:
    """The conditions of a list with commas; the default if it is empty. ValueError for others."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _CONDITIONS:
            near = suggest(word, _CONDITIONS) or f"; known: {', '.join(_CONDITIONS)}"
            raise ValueError(f"'{word}' is no condition for a retry{near}")
    return tuple(one for one in _CONDITIONS if one in words) or DEFAULT_RETRY_ON
