"""The canonical walk with nothing scripted: real Envoy, real exchange, the bundle that ships."""

from __future__ import annotations

import aiohttp

from tests.envoy.conftest import fronted
from tests.scripted import make_policy
from vsr.config.policy import Listener
from vsr.encoder.bundle import default_bundle_path
from vsr.generation import Generation, Live
from vsr.simulator import SimulatorServer


def free_port(fields: dict[str, object]) -> None:
    fields["listeners"] = (Listener("main", port=0, timeout=30),)


async def test_a_chinese_calculus_question_reaches_the_model_for_mathematics() -> None:
    ask = {"model": "auto", "messages": [{"role": "user", "content": "帮我解这道微积分题"}]}
    async with SimulatorServer() as simulator, aiohttp.ClientSession() as client:
        policy = make_policy(int(simulator.address.rpartition(":")[2]), free_port)
        generation = await Generation.start(policy, bundle=default_bundle_path())
        async with (
            fronted(Live(generation), policy) as (url, _, _),
            client.post(url + "/v1/chat/completions", json=ask) as answer,
        ):
            body = await answer.json()
        await generation.aclose()
    assert answer.status == 200
    assert answer.headers["x-vsr-selected-model"] == "math-7b"
    assert answer.headers["x-vsr-selected-category"] == "math"
    assert float(answer.headers["x-vsr-selected-confidence"]) >= 0.5
    assert body["model"] == "math-7b"
