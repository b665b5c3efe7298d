"""`routing.projections`: values derived from signals before the decisions are made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vsr.config.schema.base import Bounds, Name, Number, Section, SignalType

Positive = Annotated[Number, Field(gt=0)]


class Partition(Section):
    name: Name
    semantics: Literal["exclusive", "softmax_exclusive"] = "exclusive"
    temperature: Positive | None = None
    members: tuple[Name, ...]
    default: str = ""


class ScoreInput(Section):
    type: SignalType | Literal["kb_metric"]
    name: str = ""
    kb: str = ""
    metric: str = ""
    weight: Number
    value_source: Literal["binary", "confidence", "raw", "score"] | None = None
    match: Number = 1.0
    miss: Number = 0.0

    @model_validator(mode="after")
    def _named(self) -> ScoreInput:
        if self.type == "kb_metric" and not (self.kb and self.metric):
            raise ValueError("of type kb_metric needs kb and metric")
        if self.type != "kb_metric" and not self.name:
            raise ValueError("needs the name of a signal")
        if self.value_source == "score" and self.type not in ("projection", "kb_metric"):
            raise ValueError("with value_source score must be of type projection or kb_metric")
        return self


class Score(Section):
    name: Name
    method: Literal["weighted_sum"] = "weighted_sum"
    inputs: tuple[ScoreInput, ...]


class Calibration(Section):
    method: Literal["sigmoid_distance"] = "sigmoid_distance"
    slope: Positive = 12.0


class Output(Bounds):
    name: Name


class Mapping(Section):
    name: Name
    source: Name
    method: Literal["threshold_bands", "multi_emit"] = "threshold_bands"
    calibration: Calibration = Calibration()
    outputs: tuple[Output, ...]


class Projections(Section):
    partitions: tuple[Partition, ...] = ()
    scores: tuple[Score, ...] = ()
    mappings: tuple[Mapping, ...] = ()
