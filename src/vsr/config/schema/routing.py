"""`routing`: what is known about models, which signals are looked for, and what follows from them."""

from __future__ import annotations

from typing import Literal

from vsr.config.schema.base import Count, Name, Probability, Section
from vsr.config.schema.decisions import Decision
from vsr.config.schema.projections import Projections
from vsr.config.schema.signals import Signals


class Lora(Section):
    name: Name
    description: str = ""


class ModelCard(Section):
    name: Name
    description: str = ""
    loras: tuple[Lora, ...] = ()
    param_size: str = ""
    context_window_size: Count | None = None
    capabilities: tuple[str, ...] = ()
    quality_score: Probability | None = None


class Routing(Section):
    strategy: Literal["priority", "confidence"] | None = None
    modelCards: tuple[ModelCard, ...] = ()
    signals: Signals = Signals()
    projections: Projections = Projections()
    decisions: tuple[Decision, ...] = ()


class Recipe(Section):
    """A routing of its own, with nothing of the document's own but the models."""

    name: Name
    description: str = ""
    routing: Routing


class Entrypoint(Section):
    """Model names with which clients ask a recipe."""

    model_names: tuple[Name, ...]
    recipe: Name
