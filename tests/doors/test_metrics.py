from __future__ import annotations

from tests.doors.wire import Wire
from vsr.doors.metrics import metrics_app
from vsr.doors.server import HttpServer
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
