"""Building blocks of the schema: the base of every section and the scalar types an operator writes."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"([0-9.]+)(ms|s|m|h)")
_SIZE: Final = re.compile(r"([0-9]{1,15}) ?([a-z]*)")
_SIZES: Final = {
    "": 1, "b": 1,
    "k": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gib": 1024**3, "gb": 1000**3,
}  # fmt: skip


class Section(BaseModel):
    """A mapping with fixed keys; a key that is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


def refuse_bool(value: object) -> object:
    """Python counts true as 1; a threshold of `true` is a mistake."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _seconds(value: object) -> object:
    """`30`, `30s`, `1m30s`, `250ms`."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return sum(float(count) * _UNITS[unit] for count, unit in _DURATION_PART.findall(value))
    if isinstance(value, str) and not re.fullmatch(r"[0-9.]+", value):
        raise ValueError("must be a duration such as 30s, 1m30s or 250ms")
    return refuse_bool(value)


def _size(value: object) -> object:
    """`1048576`, `50MiB`, `50 MB`. A bare K, M or G counts in 1024s."""
    if not isinstance(value, str):
        return refuse_bool(value)
    parts = _SIZE.fullmatch(value.strip().lower())
    if parts is None or parts[2] not in _SIZES:
        raise ValueError("must be a size such as 1048576, 512KiB or 50MiB")
    return int(parts[1]) * _SIZES[parts[2]]


def _printable(value: str) -> str:
    """Names travel in headers and log lines."""
    if value != value.strip() or any(character < " " or character == "\x7f" for character in value):
        raise ValueError("must not begin or end with spaces or hold control characters")
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Whole = Annotated[int, BeforeValidator(refuse_bool)]
Number = Annotated[float, BeforeValidator(refuse_bool)]
Probability = Annotated[float, BeforeValidator(refuse_bool), Field(ge=0, le=1)]
Port = Annotated[int, BeforeValidator(refuse_bool), Field(ge=1, le=65535)]
Seconds = Annotated[
    float, BeforeValidator(_seconds, json_schema_input_type=float | str), Field(gt=0, le=86400)
]
Bytes = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str), Field(gt=0)]
Count = Annotated[int, BeforeValidator(refuse_bool), Field(gt=0)]
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]
Operator = Annotated[Literal["AND", "OR", "NOT"], BeforeValidator(_upper)]
KeywordOperator = Annotated[Literal["AND", "OR", "NOR"], BeforeValidator(_upper)]
SignalType = Literal[
    "keyword", "embedding", "domain", "fact_check", "user_feedback", "reask", "preference", "language",
    "context", "structure", "complexity", "modality", "authz", "jailbreak", "pii", "kb", "conversation",
    "event", "metadata", "classifier", "projection",
]  # fmt: skip
"""What a rule may ask for: the types of `routing.signals`, and what projections put out."""
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
PiiAction = Literal["log", "mask", "block"]
Mode = Literal["enforce", "shadow", "off"]


class Bounds(Section):
    """A numeric `predicate`: all bounds that are given must hold."""

    gt: Number | None = None
    gte: Number | None = None
    lt: Number | None = None
    lte: Number | None = None

    @model_validator(mode="after")
    def _satisfiable(self) -> Bounds:
        if self.gt is self.gte is self.lt is self.lte is None:
            raise ValueError("needs at least one of gt, gte, lt, lte")
        low = max((bound for bound in (self.gt, self.gte) if bound is not None), default=None)
        high = min((bound for bound in (self.lt, self.lte) if bound is not None), default=None)
        if low is not None and high is not None and (low > high or (low == high and not self._closed(low))):
            raise ValueError(f"holds for no number: it must be above {low:g} and below {high:g}")
        return self

    def _closed(self, end: float) -> bool:
        return self.gt != end and self.lt != end
