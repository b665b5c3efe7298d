"""`routing.projections` of a valid document, as the policy holds them."""

from __future__ import annotations

from vsr.config.labels import domain_label
from vsr.config.policy import Band, Bands, Input, Partition, Projections, Score
from vsr.config.predicate import Predicate
from vsr.config.projections import ordered, reads_score
from vsr.config.resolve import domain_classes
from vsr.config.schema import projections as schema
from vsr.config.schema.base import Bounds
from vsr.config.schema.routing import Routing
from vsr.config.schema.signals import DomainSignal

_TEMPERATURE = 1.0  # the original's, where a softmax is asked for without one


def compile_projections(routing: Routing) -> Projections:
    given = routing.projections
    return Projections(
        partitions=tuple(_partition(partition, routing) for partition in given.partitions),
        steps=tuple(
            _score(step, routing) if isinstance(step, schema.Score) else _bands(step)
            for step in ordered(given)
        ),
    )


def compile_bounds(bounds: Bounds) -> Predicate:
    return Predicate(bounds.gt, bounds.gte, bounds.lt, bounds.lte)


def signal_reference(kind: str, name: str, domains: tuple[DomainSignal, ...]) -> tuple[str, str]:
    """The name and the label that a reference means: a domain may be called by one of the classifier's
    labels, a verdict of a complexity signal is written `name:hard`."""
    if kind == "domain" and all(domain.name != name for domain in domains):
        owners = (domain.name for domain in domains if domain_label(name) in domain_classes(domain))
        return next(owners, name), ""
    if kind == "complexity" and ":" in name:
        signal, _, verdict = name.rpartition(":")
        return signal, verdict
    return name, ""


def _partition(partition: schema.Partition, routing: Routing) -> Partition:
    domains = {domain.name for domain in routing.signals.domains}
    soft = partition.semantics == "softmax_exclusive"
    return Partition(
        name=partition.name,
        type="domain" if partition.members[0] in domains else "embedding",
        members=partition.members,
        default=partition.default,
        temperature=(partition.temperature or _TEMPERATURE) if soft else None,
    )


def _score(score: schema.Score, routing: Routing) -> Score:
    return Score(score.name, tuple(_input(item, routing) for item in score.inputs))


def _input(item: schema.ScoreInput, routing: Routing) -> Input:
    if item.type == "kb_metric":
        return Input("kb_metric", item.kb, item.weight, "metric", label=item.metric)
    if reads_score(item, routing.projections):
        return Input(item.type, item.name, item.weight, "score")
    name, label = signal_reference(item.type, item.name, routing.signals.domains)
    source = "raw" if item.value_source == "score" else item.value_source or "binary"
    return Input(item.type, name, item.weight, source, label, item.match, item.miss)


def _bands(mapping: schema.Mapping) -> Bands:
    return Bands(
        name=mapping.name,
        source=mapping.source,
        bands=tuple(Band(output.name, compile_bounds(output)) for output in mapping.outputs),
        several=mapping.method == "multi_emit",
        slope=mapping.calibration.slope,
    )
