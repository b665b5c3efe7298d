"""An explanation as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from vsr.cli.explanation import Explanation, Sent
from vsr.cli.output import console
from vsr.decisions.trace import Trace, TracedDecision, TracedRule

_BODY_SHOWN = 3_000
_CATEGORIES_SHOWN = 3


def show(result: Explanation) -> None:
    out = console()
    _show_outcome(out, result.trace)
    _show_reading(out, result.trace)
    _show_signals(out, result.trace)
    _show_scores(out, result.trace)
    _show_decisions(out, result.trace)
    _show_flips(out, result.trace)
    _show_guards(out, result.trace)
    _show_sent(out, result.sent)


def _show_outcome(out: Console, trace: Trace) -> None:
    route = trace.route
    colour = "green" if route.outcome in ("forward", "compose", "answer") else "red"
    model = (
        f" to [bold]{escape(route.selected_model)}[/bold]"
        if route.selected_model and route.outcome == "forward"
        else ""
    )
    out.print(f"[bold {colour}]{route.outcome}[/bold {colour}]{model}: {escape(route.reason)}")
    if route.recipe != "default":
        out.print(f"recipe {escape(route.recipe)}")
    if route.reasoning is not None:
        effort = f", effort {escape(route.reasoning_effort)}" if route.reasoning_effort else ""
        out.print(f"reasoning {'on' if route.reasoning else 'off'}{effort}")


def _show_reading(out: Console, trace: Trace) -> None:
    likeliest = list(trace.categories.items())[:_CATEGORIES_SHOWN]
    if likeliest:
        out.print("domain: " + ", ".join(f"{escape(name)} {value:.2f}" for name, value in likeliest))
    if trace.entities:
        out.print(
            "personal data: " + ", ".join(f"{count} {escape(name)}" for name, count in trace.entities.items())
        )
    if trace.coverage:
        unread = f"; not read: {', '.join(trace.coverage.unread)}" if trace.coverage.unread else ""
        out.print(f"read: {trace.coverage.tokens} tokens in {trace.coverage.windows} windows{unread}")
        if trace.coverage.disguises:
            out.print(f"read undisguised: {', '.join(trace.coverage.disguises)}")
    if trace.encoder_error:
        out.print(f"[red]the encoder could not read it: {escape(trace.encoder_error)}[/red]")
    out.print(", ".join(f"{stage} {seconds * 1000:.1f} ms" for stage, seconds in trace.seconds.items()))


def _show_signals(out: Console, trace: Trace) -> None:
    columns = ("signal", "matched", "score", "threshold", "value", "detail", "ms")
    table = Table(*columns, title="Signals", title_justify="left")
    for signal in sorted(trace.signals, key=lambda signal: (not signal.matched, signal.key)):
        threshold = "" if signal.threshold is None else f"{signal.threshold:.2f}"
        detail = f"[red]{escape(signal.error)}[/red]" if signal.error else escape(signal.detail)
        matched = "[green]yes[/green]" if signal.matched else "no"
        name = escape(f"{signal.type}:{signal.name}" + (f":{signal.label}" if signal.label else ""))
        # without a threshold there is nothing that a rule which did not match could have scored
        score = f"{signal.confidence:.2f}" if signal.matched or threshold else ""
        value = "" if signal.value is None else f"{signal.value:g}"
        taken = f"{signal.seconds * 1000:.2f}" if signal.seconds else ""
        table.add_row(name, matched, score, threshold, value, detail, taken)
    if trace.signals:
        out.print()
        out.print(table)


def _show_scores(out: Console, trace: Trace) -> None:
    if trace.scores:
        out.print("scores: " + ", ".join(f"{escape(name)} {score}" for name, score in trace.scores.items()))


def _show_flips(out: Console, trace: Trace) -> None:
    """What would have had to be different, one signal at a time."""
    if not trace.flips:
        return
    out.print("\nAnother route would have been chosen if, all else the same:")
    for flip in trace.flips:
        name = escape(f"{flip.type}:{flip.name}" + (f":{flip.label}" if flip.label else ""))
        if flip.now is None or flip.at is None:
            change = "matched" if flip.matched else "did not match"
        else:
            side = "or more" if flip.at > flip.now else "or less"
            change = f"were {flip.at:.12g} {side} (it is {flip.now:.4g})"
        other = " ".join(
            filter(None, (flip.outcome, flip.model, f"by {flip.decision}" if flip.decision else ""))
        )
        out.print(f"  {name} {change}: {escape(other)}")


def _show_decisions(out: Console, trace: Trace) -> None:
    if not trace.decisions:
        return
    tree = Tree("Decisions")
    for decision in trace.decisions:
        _add_decision(tree, decision, trace.winner)
    out.print()
    out.print(tree)


def _add_decision(tree: Tree, decision: TracedDecision, winner: str) -> None:
    verdict = "wins" if decision.name == winner else ("holds" if decision.matched else "does not hold")
    colour = "green" if decision.name == winner else ("yellow" if decision.matched else "dim")
    why = f": {escape(decision.why)}" if decision.why else ""
    label = f"[{colour}]{escape(decision.name)}[/{colour}] (priority {decision.priority}) {verdict}{why}"
    branch = tree.add(label)
    if decision.rules:
        _add_rule(branch, decision.rules)


def _add_rule(tree: Tree, rule: TracedRule) -> None:
    mark = f"[green]yes[/green] {rule.confidence:.2f}" if rule.held else "no"
    branch = tree.add(f"{escape(rule.rule)} {mark}")
    for child in rule.children:
        _add_rule(branch, child)


def _show_guards(out: Console, trace: Trace) -> None:
    out.print()
    for finding in trace.route.findings:
        colour = {"clean": "green", "violating": "red", "unavailable": "yellow"}[finding.state]
        shadow = " (shadow mode: only reported)" if finding.shadow else ""
        types = f" {', '.join(finding.types)}" if finding.types else ""
        out.print(
            f"guard {finding.guard}: [{colour}]{finding.state}[/{colour}]{shadow}{escape(types)}, "
            f"score {finding.score:.2f}, threshold {finding.threshold:.2f}"
        )
    scores = ", ".join(f"{escape(name)} {score:.2f}" for name, score in trace.route.scores.items())
    if scores:
        out.print(f"models for this category: {scores}")


def _show_sent(out: Console, sent: Sent) -> None:
    status = f" with status {sent.status}" if sent.status else ""
    out.print(f"\nWould be sent to {escape(sent.to)}{status}:\n")
    _show_headers(out, sent.headers)
    _show_body(out, sent.body)


def _show_headers(out: Console, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        out.print(f"  {escape(name)}: {escape(value)}")


def _show_body(out: Console, body: Any) -> None:
    text = json.dumps(body, ensure_ascii=False, indent=2)
    more = (
        f"\n… {len(text) - _BODY_SHOWN} more characters; --json shows all" if len(text) > _BODY_SHOWN else ""
    )
    out.print()
    out.print(text[:_BODY_SHOWN] + more, markup=False)
