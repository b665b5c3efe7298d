"""What `judge` reads beside the text as it stands."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.encoder.tiny_bundle import MarkBackend, tiny_bundle
from tests.scripted import ScriptedEncoder, make_policy
from vsr.chat.edit import replace_spans
from vsr.chat.request import parse_chat_request
from vsr.config.policy import Policy, PromptGuard
from vsr.encoder.encoder import Encoder
from vsr.facts import Facts
from vsr.guards.masking import placeholder
from vsr.guards.prompt import assess_prompt
from vsr.router import judge

ATTACK = "the attack is a bypass of the word"


@pytest.fixture
async def encoder(tmp_path: Path) -> AsyncIterator[Encoder]:
    encoder = Encoder(tiny_bundle(tmp_path / "tiny"), MarkBackend())
    yield encoder
    await encoder.aclose()


async def judged(encoder: Encoder, *texts: str) -> Facts:
    messages = [{"role": "user", "content": text} for text in texts]
    return await judge(parse_chat_request({"model": "auto", "messages": messages}), Policy(), encoder)


async def test_an_attack_in_base64_is_found_and_told_as_such(encoder: Encoder) -> None:
    facts = await judged(encoder, "the word", base64.b64encode(ATTACK.encode()).decode())
    finding = assess_prompt(facts, PromptGuard())
    assert finding.state == "violating"
    assert "read through base64" in finding.reason
    assert facts.readings is not None
    assert facts.readings.coverage.disguises == ("base64",)
    assert {window.passage for window in facts.readings.jailbreak if window.disguise} == {1}


async def test_a_passage_in_plain_form_is_not_judged_as_it_stands_too(encoder: Encoder) -> None:
    attack, harmless = (
        base64.b64encode(text.encode()).decode() for text in (ATTACK, "the word is other than it")
    )
    for text in (attack, harmless):
        facts = await judged(encoder, text)
        assert facts.readings is not None
        (window,) = facts.readings.jailbreak
        assert (window.disguise, window.beside) == ("base64", False)


async def test_a_bare_number_in_a_tools_input_is_found_and_masked(encoder: Encoder) -> None:
    use = {"type": "tool_use", "input": {"phone": 13812345678}}
    body = {"model": "auto", "messages": [{"role": "assistant", "content": [use]}]}
    request = parse_chat_request(body)
    facts = await judge(request, Policy(), encoder)
    masked = replace_spans(request.body, request.passages, facts.entities, placeholder)
    assert masked["messages"][0]["content"][0]["input"] == {"phone": "[PHONE_NUMBER]"}


async def test_a_second_reading_does_not_loosen_the_operating_point(encoder: Encoder) -> None:
    plain = await judged(encoder, "the word")
    coded = await judged(encoder, base64.b64encode(b"the word is other than the poem").decode())
    assert coded.operating_points == plain.operating_points
    assert assess_prompt(coded, PromptGuard()).state == "clean"


async def test_an_attack_in_code_is_found_however_much_harmless_code_stands_before_it(
    encoder: Encoder,
) -> None:
    harmless, attack = (
        base64.b64encode(text.encode()).decode() for text in ("the word is other than it", ATTACK)
    )
    for texts in ((*[harmless] * 9, attack), (" 0 . ".join(["x" * 9] * 99 + [harmless] * 9 + [attack]),)):
        facts = await judged(encoder, *texts)
        assert assess_prompt(facts, PromptGuard()).state == "violating"


@pytest.mark.parametrize(
    ("identifier", "found"), [("alicecallsthistool", 0), ("alice, who lives in Paris", 1)]
)
async def test_what_the_encoder_takes_for_a_name_in_a_machines_identifier_is_none(
    identifier: str, found: int
) -> None:
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "tool", "tool_call_id": identifier, "content": "done"},
    ]
    request = parse_chat_request({"model": "auto", "messages": messages})
    facts = await judge(request, make_policy(), ScriptedEncoder())  # type: ignore[arg-type] # scripted
    assert any(identifier in passage.text.reveal() for passage in facts.passages)
    assert len(facts.entities) == found
