"""The immutable snapshot of everything selection knows besides the request and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vsr.selection.learned.artifact import Artifact
from vsr.selection.observations import Observations
from vsr.selection.sessions import Pin


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was loaded or computed when the configuration went live.

    trained: by path, as the configuration writes it. descriptions: unit vectors of the candidates'
    descriptions, by model and by (model, capabilities) text; see `router_dc.described`.
    """

    trained: Mapping[str, Artifact] = field(default_factory=dict)
    descriptions: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Advice:
    """What came of asking a model which candidate to choose: the name of one, or else, in one word, why there
    is none."""

    model: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """pin: the model that this session or tool loop has been served by, None for a new one. advice: None
    while no model was asked."""

    observations: Observations = field(default_factory=Observations)
    knowledge: Knowledge = field(default_factory=Knowledge)
    pin: Pin | None = None
    advice: Advice | None = None


NOTHING_KNOWN = State()
