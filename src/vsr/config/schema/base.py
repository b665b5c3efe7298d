"""Building blocks of the schema: the base of every section and the scalar types an operator writes."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

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
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=86400)]
Bytes = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Count = Annotated[int, BeforeValidator(refuse_bool), Field(gt=0)]
Name = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]
Operator = Annotated[Literal["AND", "OR", "NOT"], BeforeValidator(_upper)]
KeywordOperator = Annotated[Literal["AND", "OR", "NOR"], BeforeValidator(_upper)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
PiiAction = Literal["log", "mask", "block"]
Mode = Literal["enforce", "shadow", "off"]
