"""Checks of `recipes` and `entrypoints`: each recipe as if its routing were the document's own."""

from __future__ import annotations

from dataclasses import replace

from vsr.config.lint.context import Context, check_unique
from vsr.config.lint.decisions import check_decisions
from vsr.config.lint.projections import check_projections
from vsr.config.lint.signals import check_signals
from vsr.config.lint.unused import check_unused
from vsr.config.paths import Report, suggest
from vsr.config.resolve import DEFAULT_RECIPE, auto_names, entrypoints, lora_owners, recipe_document


def check_routing(context: Context) -> None:
    check_signals(context)
    check_projections(context)
    check_decisions(context)
    check_unused(context)


def check_recipes(context: Context) -> None:
    recipes, report = context.document.recipes, context.report
    check_unique((recipe.name for recipe in recipes), ("recipes",), "recipe", report)
    asked = set(entrypoints(context.document).values())
    for index, recipe in enumerate(recipes):
        if recipe.name == DEFAULT_RECIPE:
            message = f"'{DEFAULT_RECIPE}' is the name of the document's own routing; choose another"
            report.error(("recipes", index, "name"), message)
        elif recipe.name not in asked:
            report.warn(("recipes", index, "name"), f"no entrypoint asks recipe '{recipe.name}'")
        found = Report()
        check_routing(replace(context, document=recipe_document(context.document, recipe), report=found))
        _take(found, index, report)
    _check_entrypoints(context)


def _take(found: Report, index: int, report: Report) -> None:
    """Findings about the recipe's routing at their place; those about the rest are told already."""
    for finding in found.errors:
        if finding.path[:1] == ("routing",):
            report.error(("recipes", index, *finding.path), finding.message)
    for finding in found.warnings:
        if finding.path[:1] == ("routing",):
            report.warn(("recipes", index, *finding.path), finding.message)


def _check_entrypoints(context: Context) -> None:
    document, report = context.document, context.report
    known = {recipe.name for recipe in document.recipes} | {DEFAULT_RECIPE}
    models = {*context.models(), *lora_owners(document)}
    own = set(auto_names(document.model_copy(update={"entrypoints": ()})))
    taken: dict[str, str] = {}
    for index, entry in enumerate(document.entrypoints):
        if entry.recipe not in known:
            message = f"there is no recipe '{entry.recipe}'{suggest(entry.recipe, known)}"
            report.error(("entrypoints", index, "recipe"), message)
        for position, name in enumerate(entry.model_names):
            where = ("entrypoints", index, "model_names", position)
            if name in models:
                report.error(where, f"'{name}' is a model already; an entrypoint needs a name of its own")
            elif name in taken:
                report.error(where, f"'{name}' asks recipe '{taken[name]}' already")
            elif name in own and entry.recipe != DEFAULT_RECIPE:
                report.warn(where, f"'{name}' asks recipe '{entry.recipe}' instead of the document's routing")
            taken.setdefault(name, entry.recipe)
