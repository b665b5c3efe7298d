"""The canonical `version: v0.3` document as pydantic models, for the edge only.

Says which keys exist and which values they take. What the values mean together is `lint`'s business;
keys of the original that are not built are in `pending`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vsr.config.schema.base import Section
from vsr.config.schema.providers import Listener, Providers
from vsr.config.schema.routing import Entrypoint, Recipe, Routing
from vsr.config.schema.service import Global


class Document(Section):
    version: Literal["v0.3"]
    listeners: tuple[Listener, ...] = ()
    providers: Providers = Providers()
    routing: Routing = Routing()
    entrypoints: tuple[Entrypoint, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    global_: Global = Field(Global(), alias="global")


__all__ = ["Document"]
