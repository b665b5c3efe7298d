"""Checks of `routing.projections`: they read what exists, in an order that exists, and are read."""

from __future__ import annotations

from collections.abc import Iterator

from vsr.config.knowledge import knowledge_bases
from vsr.config.lint.context import Context, check_unique
from vsr.config.lint.logic import leaves
from vsr.config.paths import KeyPath, suggest
from vsr.config.projections import cycle, reads_score
from vsr.config.resolve import signal_names
from vsr.config.schema.projections import Partition, Projections, Score, ScoreInput

_ROOT: KeyPath = ("routing", "projections")


def check_projections(context: Context) -> None:
    given, report = context.document.routing.projections, context.report
    for key, names in (
        ("partitions", [partition.name for partition in given.partitions]),
        ("scores", [score.name for score in given.scores]),
        ("mappings", [mapping.name for mapping in given.mappings]),
    ):
        check_unique(names, (*_ROOT, key), key.removesuffix("s"), report)
    _check_partitions(given, context)
    for index, score in enumerate(given.scores):
        _check_score(score, (*_ROOT, "scores", index), context)
    _check_mappings(given, context)
    circle = cycle(given)
    if circle:
        report.error(_ROOT, f"projections depend on each other in a circle: {' reads '.join(circle)}")
    _check_read(context)


def output_names(projections: Projections) -> set[str]:
    return {output.name for mapping in projections.mappings for output in mapping.outputs}


def _check_partitions(given: Projections, context: Context) -> None:
    owners: dict[str, str] = {}
    for index, partition in enumerate(given.partitions):
        path: KeyPath = (*_ROOT, "partitions", index)
        _check_members(partition, path, context)
        for position, member in enumerate(partition.members):
            other = owners.setdefault(member, partition.name)
            if other != partition.name:
                message = f"'{member}' is a member of partition '{other}' already"
                context.report.error((*path, "members", position), message)
        if partition.temperature is not None and partition.semantics == "exclusive":
            context.report.warn((*path, "temperature"), "has an effect with softmax_exclusive only")


def _check_members(partition: Partition, path: KeyPath, context: Context) -> None:
    report, signals = context.report, context.document.routing.signals
    families = {
        "domain": {rule.name for rule in signals.domains},
        "embedding": {rule.name for rule in signals.embeddings},
    }
    if len(partition.members) < 2:
        report.error((*path, "members"), f"partition '{partition.name}' needs at least two members")
    # The type of the first member that exists is the type of all.
    kinds = [kind for member in partition.members for kind, names in families.items() if member in names]
    known = families[kinds[0]] if kinds else families["domain"] | families["embedding"]
    for index, member in enumerate(partition.members):
        if member not in known:
            what = f"{kinds[0]} signal" if kinds else "domain or embedding signal"
            report.error((*path, "members", index), f"there is no {what} '{member}'{suggest(member, known)}")
    if partition.default and partition.default not in partition.members:
        near = suggest(partition.default, partition.members)
        report.error((*path, "default"), f"default '{partition.default}' is not a member{near}")


def _check_score(score: Score, path: KeyPath, context: Context) -> None:
    if not score.inputs:
        context.report.error((*path, "inputs"), f"score '{score.name}' has no inputs")
    for index, item in enumerate(score.inputs):
        where: KeyPath = (*path, "inputs", index)
        known = _readable(item, context)
        name = item.kb if item.type == "kb_metric" else item.name
        if known is not None and name not in known:
            what = "knowledge base" if item.type == "kb_metric" else f"{item.type} signal"
            what = "score or output of a mapping" if item.type == "projection" else what
            key = "kb" if item.type == "kb_metric" else "name"
            context.report.error((*where, key), f"there is no {what} '{name}'{suggest(name, known)}")
        if item.weight == 0:
            context.report.warn((*where, "weight"), f"'{name}' counts for nothing: its weight is 0")


def _readable(item: ScoreInput, context: Context) -> set[str] | None:
    """The names that an input may have."""
    routing = context.document.routing
    if item.type == "kb_metric":
        return {base.name for base in knowledge_bases(context.document)}
    if item.type != "projection":
        return signal_names(routing.signals)[item.type]
    if reads_score(item, routing.projections):
        return {score.name for score in routing.projections.scores}
    scores = () if item.value_source == "confidence" else routing.projections.scores
    return output_names(routing.projections) | {score.name for score in scores}


def _check_mappings(given: Projections, context: Context) -> None:
    scores = {score.name for score in given.scores}
    seen: dict[str, str] = {}
    for index, mapping in enumerate(given.mappings):
        path: KeyPath = (*_ROOT, "mappings", index)
        if mapping.source not in scores:
            message = f"there is no score '{mapping.source}'{suggest(mapping.source, scores)}"
            context.report.error((*path, "source"), message)
        if not mapping.outputs:
            context.report.error((*path, "outputs"), f"mapping '{mapping.name}' has no outputs")
        for position, output in enumerate(mapping.outputs):
            if output.name in seen:
                message = f"output '{output.name}' exists already, in mapping '{seen[output.name]}'"
                context.report.error((*path, "outputs", position, "name"), message)
            seen.setdefault(output.name, mapping.name)


def _check_read(context: Context) -> None:
    """Nothing is wrong with a projection that nobody reads, but somebody has forgotten something."""
    given, asked = context.document.routing.projections, set(_asked(context))
    sources = {mapping.source for mapping in given.mappings} | asked
    for index, score in enumerate(given.scores):
        if score.name not in sources:
            context.report.warn((*_ROOT, "scores", index), f"no mapping reads score '{score.name}'")
    for index, mapping in enumerate(given.mappings):
        if not any(output.name in asked for output in mapping.outputs):
            message = f"no decision asks for an output of mapping '{mapping.name}'"
            context.report.warn((*_ROOT, "mappings", index), message)


def _asked(context: Context) -> Iterator[str]:
    """Names that rules and scores read under the type `projection`."""
    routing = context.document.routing
    for decision in routing.decisions:
        for leaf in leaves(decision.rules) if decision.rules else ():
            if leaf.type == "projection":
                yield leaf.name
    for score in routing.projections.scores:
        yield from (item.name for item in score.inputs if item.type == "projection")
