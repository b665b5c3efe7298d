"""Knowledge bases that a document can name without defining them: the original's two, with examples of
our own in English and Chinese.

A base of the document always comes before a built-in one of its name. One that has neither labels nor a
file, or names the file at the original's own place and has none there, gets the built-in examples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from vsr.config.schema import Document
from vsr.config.schema.catalog import KnowledgeBase

_FOLDER: Final = Path(__file__).parent / "knowledge"
BUILT_IN: Final = ("privacy_kb", "mmlu_kb")
_PLACES: Final = {"privacy_kb": "knowledge_bases/privacy", "mmlu_kb": "knowledge_bases/mmlu"}
"""Where the original keeps its own files."""


def built_in(name: str) -> KnowledgeBase:
    """name: of BUILT_IN."""
    return KnowledgeBase.model_validate(json.loads((_FOLDER / f"{name}.json").read_text("utf-8")))


def knowledge_bases(document: Document) -> tuple[KnowledgeBase, ...]:
    """Those of the document, completed, and the built-in ones that its routing names besides."""
    own = tuple(_completed(base) for base in document.global_.model_catalog.kbs)
    defined = {base.name for base in own}
    named = dict.fromkeys(_named(document))
    return own + tuple(built_in(name) for name in named if name in BUILT_IN and name not in defined)


def stands_in(base: KnowledgeBase) -> bool:
    """Whether built-in examples are used if the base's file does not exist."""
    place = _PLACES.get(base.name)
    return place is not None and bool(base.source.path) and str(PurePosixPath(base.source.path)) == place


def _completed(base: KnowledgeBase) -> KnowledgeBase:
    bare = base.name in BUILT_IN and not base.labels and not base.source.path
    if not bare and not stands_in(base):
        return base
    labels = built_in(base.name).labels | base.labels
    return base.model_copy(update={"labels": labels})


def _named(document: Document) -> Iterator[str]:
    """kb rules and metrics in projections, of the document's own routing."""
    yield from (rule.kb for rule in document.routing.signals.kb)
    for score in document.routing.projections.scores:
        yield from (item.kb for item in score.inputs if item.type == "kb_metric")
