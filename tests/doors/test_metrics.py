from __future__ import annotations

from tests.doors.wire import Wire
from vsr.doors.metrics import metrics_app
from vsr.doors.server import HttpServer
from vsr.facts import Facts, Signal
from vsr.route import Route
from vsr.telemetry import Metrics


async def test_metrics_are_served_at_one_path_for_reading_only() -> None:
    metrics = Metrics()
    metrics.model_requests.labels(model="math-7b").inc()
    server = HttpServer(metrics_app(metrics.exposition), "127.0.0.1", 0)
    port = await server.start()
    async with Wire(port) as wire:
        reply = await wire.ask("GET", "/metrics")
        assert b'llm_model_requests_total{model="math-7b"} 1.0' in reply.body
        assert reply.headers["content-type"].startswith("text/plain")
        assert (await wire.ask("HEAD", "/metrics")).status == 200
        assert (await wire.ask("POST", "/metrics")).headers["allow"] == "GET, HEAD"
        assert (await wire.ask("GET", "/")).error["code"] == "not_found"
    await server.stop()


def test_a_request_that_gets_the_model_it_asked_for_is_not_modified() -> None:
    metrics = Metrics()
    metrics.routed(Route("forward", "a", model="a"), "")
    metrics.routed(Route("forward", "tuned", model="a", lora="tuned"), "")
    metrics.routed(Route("forward", "auto", model="a", lora="tuned"), "")
    counted = {
        (sample.labels["source_model"], sample.labels["target_model"]): sample.value
        for family in metrics.modifications.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert counted == {("auto", "tuned"): 1.0}


def test_a_signal_is_timed_where_it_took_time_of_its_own() -> None:
    metrics = Metrics()
    signals = (Signal("classifier", "tone", True, seconds=0.25), Signal("domain", "math", True))
    facts = Facts((), None, {signal.key: signal for signal in signals})
    metrics.judged(facts, Route("forward", "auto"), 0.0)
    name, value = "llm_signal_extraction_latency_seconds", metrics.registry.get_sample_value
    assert value(f"{name}_sum", {"signal_type": "classifier"}) == 0.25
    assert value(f"{name}_count", {"signal_type": "domain"}) is None
