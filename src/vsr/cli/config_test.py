"""`vsr config test`: does a configuration send the prompts of a suite where they shall go?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli.options import Bundle, Json
from vsr.cli.output import console, print_json, progress

if TYPE_CHECKING:
    from vsr.cli.asked import Asked
    from vsr.cli.probes import Acceptance, Probe


@dataclass(frozen=True, slots=True)
class Result:
    """differences: one sentence for each expectation that was not met."""

    probe: Probe
    asked: Asked
    differences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "decision": self.probe.group,
            "id": self.probe.id,
            "passed": not self.differences,
            "got": {"decision": self.asked.decision, "model": self.asked.model},
            "differences": list(self.differences),
        }


@dataclass(frozen=True, slots=True)
class Report:
    results: tuple[Result, ...]
    acceptance: Acceptance

    @property
    def passed(self) -> int:
        return sum(not result.differences for result in self.results)

    @property
    def accepted(self) -> bool:
        """Enough of all prompts, and enough of each decision's."""
        if not _enough(self.results, self.acceptance.min_probe_pass_rate):
            return False
        groups = {result.probe.group for result in self.results}
        return all(
            _enough(
                [result for result in self.results if result.probe.group == group],
                self.acceptance.min_decision_pass_rate,
            )
            for group in groups
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "passed": self.passed,
            "total": len(self.results),
            "results": [result.as_dict() for result in self.results],
        }


def check(
    suite: Annotated[Path, typer.Argument(help="Suite of prompts (probes.yaml).", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="VSR_CONFIG", help="None: the one that the suite names."),
    ] = None,
    bundle: Bundle = None,
    as_json: Json = False,
) -> None:
    """Ask every prompt of a suite. Exit code 1 if too many go elsewhere than expected."""
    report = asyncio.run(run(suite, config, bundle))
    if as_json:
        print_json(report.as_dict())
    else:
        _show(report)
    if not report.accepted:
        raise typer.Exit(1)


async def run(path: Path, config: Path | None, bundle: Path | None) -> Report:
    """Raises ConfigError and BundleError."""
    from vsr.cli.asked import ask_all
    from vsr.cli.explanation import load_policy
    from vsr.cli.probes import configuration, probes, read_suite
    from vsr.encoder.bundle import default_bundle_path
    from vsr.generation import Generation

    suite = read_suite(path)
    policy = await load_policy(config or configuration(suite, path))
    asked_for = probes(suite, policy.auto_name, policy.entrypoints)
    generation = await Generation.start(policy, bundle=bundle or default_bundle_path())
    try:
        with progress("prompts", len(asked_for)) as done:
            answers = await ask_all(generation, [dict(probe.body) for probe in asked_for], done)
    finally:
        await generation.aclose()
    return judged(asked_for, answers, suite.acceptance)


def judged(asked_for: Sequence[Probe], answers: Sequence[Asked], acceptance: Acceptance) -> Report:
    results = (
        Result(probe, asked, differences(probe, asked))
        for probe, asked in zip(asked_for, answers, strict=True)
    )
    return Report(tuple(results), acceptance)


def differences(probe: Probe, asked: Asked) -> tuple[str, ...]:
    """What was expected and is not so."""
    route = asked.route
    if route is None:
        return (f"could not be judged: {asked.error}",)
    got = {
        "recipe": route.recipe,
        "decision": route.decision,
        "model": route.selected_model,
        "algorithm": route.algorithm,
        "outcome": route.outcome,
    }
    found = [
        f"{field}: expected {wanted or 'none'}, got {got[field] or 'none'}"
        for field, wanted in probe.expected.items()
        if got[field] != wanted
    ]
    missing = sorted(f"{kind}:{name}" for kind, name in probe.signals - asked.signals)
    if missing:
        found.append(f"signals that did not match: {', '.join(missing)}")
    matched = sorted(f"{kind}:{name}" for kind, name in probe.forbidden & asked.signals)
    if matched:
        found.append(f"signals that must not match: {', '.join(matched)}")
    found += _out_of_bounds(probe, asked)
    if probe.plugins is not None and probe.plugins - asked.plugins:
        found.append(f"plugins that do not run: {', '.join(sorted(probe.plugins - asked.plugins))}")
    if probe.plugins is not None and probe.exact and asked.plugins - probe.plugins:
        found.append(f"plugins that run besides: {', '.join(sorted(asked.plugins - probe.plugins))}")
    return tuple(found)


def _out_of_bounds(probe: Probe, asked: Asked) -> Iterator[str]:
    for (kind, name), bounds in probe.values.items():
        value = asked.values.get((kind, name))
        if value is None:
            yield f"{kind}:{name} has no value"
        elif not bounds.holds(value):
            yield f"{kind}:{name} is {value:g}, not {bounds}"


def _enough(results: Sequence[Result], rate: float) -> bool:
    passed = sum(not result.differences for result in results)
    return passed * 100 >= rate * len(results)


def _show(report: Report) -> None:
    from rich.markup import escape

    out = console()
    for result in report.results:
        if result.differences:
            name = escape(f"{result.probe.group}/{result.probe.id}")
            out.print(f"[red]failed[/red] {name}")
            for difference in result.differences:
                out.print(f"    {escape(difference)}")
    colour = "green" if report.accepted else "red"
    verdict = "accepted" if report.accepted else "not accepted"
    out.print(f"[{colour}]{report.passed} of {len(report.results)} as expected: {verdict}[/{colour}]")
