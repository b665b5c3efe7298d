"""Metrics: what a run counts and times, under the original's names where it has one.

Nothing here knows about requests beyond labels; labels are bounded by construction (configured
names, else `_OTHER`), and no text of a client ever becomes one. `vsr_*` families are additions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from vsr.facts import REMOTE_GUARD, Facts
from vsr.route import Route

OTHER = "_OTHER"

MULTIPROCESS_ENV = "PROMETHEUS_MULTIPROC_DIR"
"""Set by `vsr serve --workers N` before its workers start; values then live in files there."""

_FAST = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_SLOW = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300)


class Metrics:
    """All families of one process, in a registry of their own (so that tests can have many)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._of_signal: dict[tuple[str, str], tuple[Counter, ...]] = {}

        self._labelled: list[tuple[Counter | Gauge | Histogram, tuple[str, ...]]] = []

        def counter(name: str, text: str, *labels: str) -> Counter:
            family = Counter(name, text, labels, registry=registry)
            self._labelled.append((family, labels))
            return family

        def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _FAST) -> Histogram:
            family = Histogram(name, text, labels, registry=registry, buckets=buckets)
            self._labelled.append((family, labels))
            return family

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry, multiprocess_mode="livesum")

        self.requests = counter(
            "vsr_requests_total",
            "Requests ended, by door, HTTP status and error code",
            "door",
            "status",
            "code",
        )
        self.in_flight = gauge("vsr_requests_in_flight", "Requests being served", "door")
        self.overhead = histogram(
            "vsr_overhead_seconds", "From the whole request read to the decision carried out", "door"
        )
        self.judge = histogram("vsr_judge_seconds", "Judging one request, all signals")
        self.encoder = histogram("vsr_encoder_seconds", "One pass of the encoder, waiting included")
        self.windows = counter("vsr_encoder_windows_total", "Windows read", "source")
        self.remote_guard = counter(
            "vsr_remote_guard_total", "Requests that a guard of others was asked about", "result"
        )
        self.findings = counter(
            "vsr_guard_findings_total",
            "What guards said, and whether it was acted on",
            "guard",
            "state",
            "acted",
        )
        self.build = Gauge(
            "vsr_build_info", "Always 1; what is running", ("version", "bundle"),
            registry=registry, multiprocess_mode="max",
        )  # fmt: skip

        def state(name: str, text: str, mode: Literal["livemin", "livemax"]) -> Gauge:
            return Gauge(name, text, registry=registry, multiprocess_mode=mode)

        self.reload_successful = state(
            "vsr_config_last_reload_successful", "1 if the newest configuration is in use, else 0", "livemin"
        )
        self.reload_time = state(
            "vsr_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was loaded",
            "livemin",
        )
        self.config_generation = state(
            "vsr_config_generation", "How many configurations a process has used", "livemax"
        )
        self.reloads = counter("vsr_config_reloads_total", "Configurations that were tried", "result")

        self.backend_failures = counter(
            "vsr_backend_failures_total", "Tries that a back end did not serve", "backend", "reason"
        )
        self.backend_retries = counter(
            "vsr_backend_retries_total",
            "Requests that went out once more, by what went before",
            "model",
            "reason",
        )
        self.backend_rests = counter(
            "vsr_backend_rests_total", "Times a back end was left alone after failures in a row", "backend"
        )
        self.backend_available = Gauge(
            "vsr_backend_available", "0 while a back end rests or fails its health check", ("backend",),
            registry=registry, multiprocess_mode="livemin",
        )  # fmt: skip
        self._labelled.append((self.backend_available, ("backend",)))

        self.model_requests = counter("llm_model_requests_total", "Requests sent to a model", "model")
        self.request_errors = counter("llm_request_errors_total", "Requests that failed", "model", "reason")
        self.tokens = counter("llm_model_tokens_total", "Tokens used, prompt and completion", "model")
        self.looper_calls = counter(
            "vsr_looper_calls_total",
            "Calls to models that loopers made, by what became of them",
            "algorithm",
            "model",
            "result",
        )
        self.fallbacks = counter(
            "llm_model_selection_fallback_total",
            "Times that an algorithm could not choose, or did without what it asked others for",
            "method",
            "decision",
            "reason",
        )
        self.prompt_tokens = counter("llm_model_prompt_tokens_total", "Prompt tokens used", "model")
        self.completion_tokens = counter(
            "llm_model_completion_tokens_total", "Completion tokens used", "model"
        )
        self.ttft = histogram(
            "llm_model_ttft_seconds", "From sending to the first byte of the answer", "model", buckets=_SLOW
        )
        self.completion_latency = histogram(
            "llm_model_completion_latency_seconds",
            "From sending to the end of the answer",
            "model",
            buckets=_SLOW,
        )
        self.tpot = histogram(
            "llm_model_tpot_seconds",
            "Seconds per token: of a stream after the first byte, of a plain answer from sending on",
            "model",
        )
        self.cost = counter("llm_model_cost_total", "Cost by the configured prices", "model", "currency")
        self.routing_latency = histogram("llm_model_routing_latency_seconds", "Judging and deciding")
        self.modifications = counter(
            "llm_model_routing_modifications_total",
            "Requests whose model was changed",
            "source_model",
            "target_model",
        )
        self.signal_matches = counter(
            "llm_signal_match_total", "Signals that matched", "signal_type", "signal_name"
        )
        self.signal_extractions = counter(
            "llm_signal_extraction_total", "Signals computed", "signal_type", "signal_name"
        )
        self.signal_latency = histogram(
            "llm_signal_extraction_latency_seconds",
            "Computing one signal, where that is a call of its own",
            "signal_type",
        )
        self.decision_matches = counter("llm_decision_match_total", "Decisions that won", "decision_name")
        self.decision_evaluations = counter(
            "llm_decision_evaluation_total", "Times the decisions were evaluated"
        )
        self.decision_latency = histogram(
            "llm_decision_evaluation_latency_seconds", "Deciding, without judging",
            buckets=(0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.05),
        )  # fmt: skip
        self.decision_confidence = histogram(
            "llm_decision_confidence", "Confidence of the decision that won", "decision_name",
            buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        )  # fmt: skip
        self.pii = counter(
            "llm_pii_violations_total", "Entities that a policy did not allow", "model", "pii_type"
        )
        self.reasoning = counter(
            "llm_reasoning_decisions_total", "Reasoning switched", "category", "model", "enabled", "effort"
        )
        self.plugins = counter(
            "llm_plugin_execution_total", "Plugins applied", "plugin_type", "decision_name", "status"
        )

    def judged(self, facts: Facts, route: Route, decide_seconds: float) -> None:
        """One request was judged and decided, whatever comes of it."""
        self.judge.observe(facts.seconds)
        self.routing_latency.observe(facts.seconds + decide_seconds)
        self.decision_latency.observe(decide_seconds)
        self.decision_evaluations.inc()
        if facts.readings is not None:
            self.encoder.observe(facts.readings.seconds)
            coverage = facts.readings.coverage
            self.windows.labels(source="memo").inc(coverage.memo_hits)
            self.windows.labels(source="graph").inc(max(0, coverage.windows - coverage.memo_hits))
        for key, signal in facts.signals.items():
            counters = self._of_signal.get(key)
            if counters is None:  # looking children up by label costs more than counting
                families = (self.signal_extractions, self.signal_matches)
                counters = self._of_signal[key] = tuple(family.labels(*key) for family in families)
            computed, matched = counters
            computed.inc()
            if signal.matched:
                matched.inc()
            if signal.seconds:
                self.signal_latency.labels(signal_type=signal.type).observe(signal.seconds)
        remote = facts.signals.get(REMOTE_GUARD)
        if remote is not None:
            result = "error" if remote.error else "violating" if remote.matched else "clean"
            self.remote_guard.labels(result=result).inc()
        if route.decision:
            self.decision_matches.labels(decision_name=route.decision).inc()
            self.decision_confidence.labels(decision_name=route.decision).observe(route.confidence)
        for finding in route.findings:
            acted = "true" if finding.acts else "false"
            self.findings.labels(guard=finding.guard, state=finding.state, acted=acted).inc()
            if finding.guard == "pii":
                for kind in finding.types:
                    self.pii.labels(model=route.selected_model or OTHER, pii_type=kind).inc()

    def routed(self, route: Route, code: str) -> None:
        """A routed request ended; code is its error code, empty if it went well."""
        model = route.selected_model or OTHER
        if route.outcome == "forward":
            self.model_requests.labels(model=model).inc()
            if model != route.requested_model:
                self.modifications.labels(source_model=route.requested_model, target_model=model).inc()
            if route.reasoning is not None:
                self.reasoning.labels(
                    category=route.category or OTHER,
                    model=model,
                    enabled=str(route.reasoning).lower(),
                    effort=route.reasoning_effort,
                ).inc()
        if code:
            self.request_errors.labels(model=model, reason=code).inc()

    def composed(self, algorithm: str, calls: Iterable[tuple[str, int, int, int, int, int]]) -> None:
        """A looper ended; by model: calls, failed and cancelled ones among them, tokens of prompts and of
        completions."""
        for model, made, failed, cancelled, prompt_tokens, completion_tokens in calls:
            self.model_requests.labels(model=model).inc(made)
            results = {"ok": made - failed - cancelled, "failed": failed, "cancelled": cancelled}
            for result, times in results.items():
                self.looper_calls.labels(algorithm=algorithm, model=model, result=result).inc(times)
            self.prompt_tokens.labels(model=model).inc(prompt_tokens)
            self.completion_tokens.labels(model=model).inc(completion_tokens)
            self.tokens.labels(model=model).inc(prompt_tokens + completion_tokens)

    def fell_back(self, algorithm: str, decision: str, reasons: Mapping[str, int]) -> None:
        for reason, times in reasons.items():
            self.fallbacks.labels(method=algorithm, decision=decision, reason=reason).inc(times)

    def applied(self, decision: str, plugins: Iterable[str]) -> None:
        """Plugins of a decision, by name, that did their work. None of them can fail."""
        for name in plugins:
            self.plugins.labels(plugin_type=name, decision_name=decision, status="success").inc()

    def timed(self, route: Route, first_byte: float, whole: float, per_token: float | None) -> None:
        """Seconds from sending to the first byte and to the end of the answer, and per token if known."""
        self.ttft.labels(model=route.selected_model).observe(first_byte)
        self.completion_latency.labels(model=route.selected_model).observe(whole)
        if per_token is not None:
            self.tpot.labels(model=route.selected_model).observe(per_token)

    def used(self, route: Route, prompt_tokens: int, completion_tokens: int) -> None:
        model = route.selected_model
        self.prompt_tokens.labels(model=model).inc(prompt_tokens)
        self.completion_tokens.labels(model=model).inc(completion_tokens)
        self.tokens.labels(model=model).inc(prompt_tokens + completion_tokens)

    def forget(self, labels: tuple[str, ...], names: Set[str]) -> None:
        """Drop the series of names that no configuration has any more: one that changes often would leave
        ever more behind. Several processes keep theirs in files, from which nothing can be taken out."""
        if os.environ.get(MULTIPROCESS_ENV) or not names:
            return
        for family, own in self._labelled:
            for label in labels:
                for name in names if label in own else ():
                    family.remove_by_labels({label: name})
        for key in [key for key in self._of_signal if "signal_name" in labels and key[1] in names]:
            del self._of_signal[key]

    def exposition(self) -> tuple[bytes, str]:
        """The text format and its content type; summed over workers where there are several."""
        return exposition(self.registry)


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """One process's registry, or all processes' files if the multiprocess directory is set."""
    if os.environ.get(MULTIPROCESS_ENV):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library has no types here
    return generate_latest(registry), CONTENT_TYPE_LATEST
