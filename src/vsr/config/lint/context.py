"""What every check needs: the document, where secrets came from, and the names that may be referred to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from vsr.config.labels import NO_PII, PII_TYPES, TITLE
from vsr.config.paths import KeyPath, Report, suggest
from vsr.config.resolve import lora_owners, reasoning_family
from vsr.config.schema import Document


@dataclass(frozen=True, slots=True)
class Context:
    """references: paths whose whole value is `${NAME}`."""

    document: Document
    env: Mapping[str, str]
    references: Set[KeyPath]
    report: Report

    def models(self) -> set[str]:
        return {model.name for model in self.document.providers.models}


def check_unique(names: Iterable[str], path: KeyPath, what: str, report: Report, field: str = "name") -> None:
    """`path` is that of the list; the complaint goes to the later of two equal names."""
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and name in seen:
            report.error((*path, index, field), f"{what} '{name}' is defined twice")
        seen.setdefault(name, index)


def check_model(name: str, lora: str, path: KeyPath, context: Context) -> None:
    """`name` must be a configured model or a LoRA, `lora` a LoRA of that model; path: of the mapping."""
    models, loras = context.models(), lora_owners(context.document)
    if name not in models and name not in loras:
        near = suggest(name, [*models, *loras])
        context.report.error((*path, "model"), f"model '{name}' is not in providers.models{near}")
    elif lora and loras.get(lora) != loras.get(name, name):
        own = [key for key, model in loras.items() if model == name]
        context.report.error(
            (*path, "lora_name"), f"'{lora}' is not a LoRA of '{name}' in modelCards{suggest(lora, own)}"
        )


def check_reasoning(name: str, use_reasoning: bool, path: KeyPath, context: Context) -> None:
    base = lora_owners(context.document).get(name, name)
    for model in context.document.providers.models:
        if model.name == base and use_reasoning and not reasoning_family(model, context.document)[0]:
            context.report.warn(
                (*path, "use_reasoning"),
                f"model '{name}' has no reasoning_family, so use_reasoning has no effect",
            )


def check_pii_types(types: Iterable[str], path: KeyPath, report: Report) -> None:
    for index, name in enumerate(types):
        if name not in (*PII_TYPES, NO_PII, TITLE):
            known = ", ".join(PII_TYPES)
            near = suggest(name.upper(), PII_TYPES) or f"; known: {known}"
            report.error((*path, index), f"unknown PII type '{name}'{near}")
