"""What one run may spend and what it has spent: calls and tokens, by model."""

from __future__ import annotations

from dataclasses import dataclass, field

from vsr.chat.response import Usage
from vsr.config.policy import LooperLimits
from vsr.errors import Unavailable


class Spent(Unavailable):
    """The run may make no more calls."""

    code = "looper_budget"


@dataclass(slots=True)
class Bill:
    """Of one model. failed: calls that brought nothing, which may have cost something all the same.
    cancelled: calls whose answer was not waited for, through no fault of the model. cached: of the
    prompts."""

    calls: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(slots=True)
class Ledger:
    """bills are by model, in the order of the first calls. kept: calls that only the answer may make. last:
    what the newest call used. fallbacks: why something was done in another way than the algorithm's own, in
    one word, and how often."""

    limits: LooperLimits
    kept: int = 0
    bills: dict[str, Bill] = field(default_factory=dict)
    last: Usage | None = None
    fallbacks: dict[str, int] = field(default_factory=dict)

    def admit(self, model: str, *, closing: bool = False) -> None:
        """Count a call that begins. Raises Spent if there may be none. The call that answers (closing) is
        not forbidden by tokens: what was heard so far has been paid for."""
        if self.calls >= self.limits.calls - (0 if closing else self.kept):
            raise Spent(f"The answer needs more than {self.limits.calls} calls to models.")
        if not closing and self.tokens >= self.limits.tokens:
            raise Spent(f"The answer needs more than {self.limits.tokens} tokens.")
        self.bills.setdefault(model, Bill()).calls += 1

    def pay(self, model: str, usage: Usage | None) -> None:
        self.last = usage
        if usage is None:
            return
        bill = self.bills.setdefault(model, Bill())
        bill.prompt_tokens += usage.prompt_tokens
        bill.completion_tokens += usage.completion_tokens
        bill.cached_tokens += usage.cached_tokens

    def fail(self, model: str) -> None:
        self.bills.setdefault(model, Bill()).failed += 1

    def cancel(self, model: str) -> None:
        self.bills.setdefault(model, Bill()).cancelled += 1

    def fell_back(self, why: str) -> None:
        self.fallbacks[why] = self.fallbacks.get(why, 0) + 1

    @property
    def calls(self) -> int:
        return sum(bill.calls for bill in self.bills.values())

    @property
    def tokens(self) -> int:
        return sum(bill.prompt_tokens + bill.completion_tokens for bill in self.bills.values())

    def lines(self) -> list[tuple[str, int, int, int, int, int]]:
        """By model: calls, failed and cancelled ones, tokens of prompts and of completions."""
        return [
            (name, bill.calls, bill.failed, bill.cancelled, bill.prompt_tokens, bill.completion_tokens)
            for name, bill in self.bills.items()
        ]

    @property
    def models(self) -> tuple[str, ...]:
        """Those that were called."""
        return tuple(name for name, bill in self.bills.items() if bill.calls)

    def usage(self) -> dict[str, object]:
        """One bill, as OpenAI's `usage`."""
        prompt = sum(bill.prompt_tokens for bill in self.bills.values())
        completion = sum(bill.completion_tokens for bill in self.bills.values())
        usage: dict[str, object] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        cached = sum(bill.cached_tokens for bill in self.bills.values())
        if cached:
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        return usage
