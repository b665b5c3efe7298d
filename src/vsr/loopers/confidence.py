"""The cascade: small models first, the next one only while the answer is not sure enough.

Confidence is in [0, 1], computed as in the original: an average log-probability from -3 to 0 is scaled
to it, a margin m between the two likeliest tokens becomes 1 - exp(-m/3), `hybrid` weighs both, and
`self_verify` asks the model about its own answer, `automix_entailment` a server (AutoMix,
arXiv:2310.12963).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vsr.config.policy import Confidence, ModelRef, Verifier
from vsr.encoder.failures import EncoderTimeout
from vsr.errors import BackendTimeout, BadBackend, RequestError, VSRError
from vsr.loopers.calls import Ask, Said
from vsr.loopers.ledger import Spent
from vsr.loopers.outcome import Closing, Held, Outcome
from vsr.loopers.prompts import VERIFY, filled, read_confidence
from vsr.loopers.run import Run, nobody_answered
from vsr.loopers.task import Task, whole
from vsr.selection.choice import relative_costs

logger = logging.getLogger(__name__)

_BIGGEST = 70.0  # billions of parameters that count as the best quality where nothing else is known


async def confidence(run: Run, settings: Confidence) -> Outcome:
    """The first answer that is sure enough. The last model's is the answer whatever its confidence, so it
    is not measured and can be streamed."""
    *escalating, last = in_order(run.task, settings)
    best: Said | None = None
    failures: list[RequestError] = []
    for ref in escalating:
        try:
            said = await run.ask(_asking(run.task, ref, settings))
            best = said
            if await _confidence(run, said, settings) >= settings.threshold:
                return Held((said,))
        except Spent as spent:
            if best is None:
                raise nobody_answered([*failures, spent], len(run.task.refs)) from None
            return Held((best,))
        except RequestError as error:
            if settings.on_error == "fail":
                raise
            failures.append(error)
    return Closing(run.task.closing(last), instead=best if settings.on_error == "skip" else None)


def in_order(task: Task, settings: Confidence) -> list[ModelRef]:
    """The order of escalation. Unknown sizes count as smallest, unknown costs as dearest. `automix` means
    what the original says about its order, cheap ones first; the original's sum puts them last."""
    candidates = [task.candidate(ref) for ref in task.refs]
    match settings.order:
        case "declared":
            keys = [0.0 for _ in candidates]
        case "cost":
            keys = [one.model.pricing.blended if one.model.pricing else math.inf for one in candidates]
        case "automix":
            weight = settings.cost_quality_tradeoff
            worth = zip(candidates, relative_costs(candidates), strict=True)
            keys = [
                (1 - weight) * _quality(one.quality, one.model.card.parameters) + weight * cost
                for one, cost in worth
            ]
        case _:
            keys = [one.model.card.parameters or 0.0 for one in candidates]
    places = sorted(range(len(candidates)), key=lambda place: keys[place])
    return [candidates[place].ref for place in places]


def _quality(known: float | None, parameters: float | None) -> float:
    if known is not None:
        return known
    return 0.5 if parameters is None else 0.3 + 0.7 * min(parameters / _BIGGEST, 1.0)


def _asking(task: Task, ref: ModelRef, settings: Confidence) -> Ask:
    ask = task.closing(ref)
    if settings.method in ("self_verify", "automix_entailment"):
        return whole(ask)
    own = task.body.get("top_logprobs")
    return whole(ask, logprobs=True, top_logprobs=max(own, 2) if isinstance(own, int) else 2)


async def _confidence(run: Run, said: Said, settings: Confidence) -> float:
    """Raises BadBackend without evidence."""
    if settings.method == "self_verify":
        return await _verified(run, said)
    if settings.verifier is not None:
        return await _entailed(run, said, settings.verifier, settings.threshold)
    tokens = list(_tokens(said))
    if settings.only_arguments:
        tokens = _of_arguments(said, tokens) or tokens
    logprobs = [value for token in tokens if (value := _number(token.get("logprob"))) is not None]
    margins = [margin for token in tokens if (margin := _margin(token)) is not None]
    if not logprobs or (settings.method != "avg_logprob" and not margins):
        raise BadBackend(f"The model {said.model} sent no log-probabilities to measure its confidence by.")
    sure = min(1.0, max(0.0, (sum(logprobs) / len(logprobs) + 3) / 3))
    if settings.method == "avg_logprob":
        return sure
    apart = 1 - math.exp(-max(0.0, sum(margins) / len(margins)) / 3)
    if settings.method == "margin":
        return apart
    return settings.logprob_weight * sure + settings.margin_weight * apart


async def _verified(run: Run, said: Said) -> float:
    """What the model thinks of its own answer; nothing readable is no confidence."""
    text = filled(VERIFY, original=run.task.question(), responses=said.content)
    question = run.task.intermediate(said.ref, temperature=0.0)
    ask = Ask(said.ref, question.body | {"messages": [{"role": "user", "content": text}]})
    return read_confidence((await run.ask(ask)).content) or 0.0


async def _entailed(run: Run, said: Said, verifier: Verifier, threshold: float) -> float:
    """What the server says. One that says nothing of use vouches for no answer: BadBackend or
    BackendTimeout, and counted."""
    if not said.content:
        raise BadBackend(f"The model {said.model} sent no text that could be verified.")
    verification = run.task.aids.verification(verifier)
    try:
        return await verification.confidence(run.task.question(), said.content, threshold)
    except EncoderTimeout as error:
        run.ledger.fell_back("verifier_timeout")
        raise BackendTimeout(f"Looper execution failed: {error}.", code="looper_failed") from None
    except VSRError as error:
        run.ledger.fell_back("verifier_failed")
        logger.warning("an answer could not be verified: %s", error)
        raise BadBackend("Looper execution failed: an answer could not be verified.") from None


def _tokens(said: Said) -> Iterator[Mapping[str, Any]]:
    logprobs = said.choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    for token in content if isinstance(content, list) else ():
        if isinstance(token, dict):
            yield token


def _of_arguments(said: Said, tokens: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose text lies in the arguments of a tool call, as far as that can be told."""
    calls = said.message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if calls else []
    values = "".join(str(one.get("arguments", "")) for one in functions if isinstance(one, dict))
    return [token for token in tokens if _is_value(str(token.get("token", "")), values)]


def _is_value(token: str, arguments: str) -> bool:
    text = token.strip()
    return text in arguments and any(character.isalnum() for character in text)


def _margin(token: Mapping[str, Any]) -> float | None:
    top = token.get("top_logprobs")
    entries = top if isinstance(top, list) else []
    values = [_number(one.get("logprob")) for one in entries if isinstance(one, dict)]
    known = sorted((value for value in values if value is not None), reverse=True)
    return known[0] - known[1] if len(known) > 1 else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
