"""In which order projections are computed: every one after those that it reads."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from vsr.config.schema.projections import Mapping, Projections, Score, ScoreInput


def reads_score(item: ScoreInput, projections: Projections) -> bool:
    """Whether an input of type `projection` means a score, and not an output of a mapping."""
    if item.type != "projection" or item.value_source == "confidence":
        return False
    return item.value_source == "score" or any(score.name == item.name for score in projections.scores)


def ordered(projections: Projections) -> tuple[Score | Mapping, ...]:
    """Raises graphlib.CycleError."""
    graph = _graph(projections)
    steps = {f"score {score.name}": score for score in projections.scores} | {
        f"mapping {mapping.name}": mapping for mapping in projections.mappings
    }
    return tuple(steps[name] for name in TopologicalSorter(graph).static_order() if name in steps)


def cycle(projections: Projections) -> tuple[str, ...]:
    """The names along a circle, first and last the same; empty if there is none."""
    try:
        TopologicalSorter(_graph(projections)).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def _graph(projections: Projections) -> dict[str, list[str]]:
    owners = {
        output.name: f"mapping {mapping.name}"
        for mapping in projections.mappings
        for output in mapping.outputs
    }
    graph = {f"mapping {mapping.name}": [f"score {mapping.source}"] for mapping in projections.mappings}
    for score in projections.scores:
        graph[f"score {score.name}"] = [
            f"score {item.name}" if reads_score(item, projections) else owners.get(item.name, item.name)
            for item in score.inputs
            if item.type == "projection"
        ]
    return graph
