from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from tests.cli.command import vsr
from vsr.cli.explain_text import show
from vsr.cli.explanation import Explanation, explanation

ENVIRONMENT = ("OPENAI_BASE_URL", "VSR_CONFIG", "VSR_BUNDLE")

CONFIG = """\
version: v0.3
listeners: [{name: default, address: 127.0.0.1, port: 8801}]
providers:
  defaults: {default_model: general}
  models:
    - name: general
      backend_refs: [{name: one, base_url: "https://models.example.com/v1", api_key_env: SECRET_KEY}]
"""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def explained(text: str, config: Path | None = None, model: str = "auto") -> Explanation:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return asyncio.run(explanation(body, config, None))


def test_json_holds_the_whole_trace_and_what_would_be_sent(capsys: pytest.CaptureFixture[str]) -> None:
    result = vsr(capsys, "explain", "hello", "--json")
    assert result.code == 0, result.err
    explanation = result.json()
    assert {"route", "signals", "decisions", "findings", "categories", "seconds", "sent"} <= set(explanation)
    sent = explanation["sent"]
    assert sent["body"]["messages"] == [{"role": "user", "content": "hello"}]
    assert sent["body"]["model"] == explanation["route"]["model"] == sent["headers"]["x-selected-model"]


def test_the_text_says_what_the_json_says(capsys: pytest.CaptureFixture[str]) -> None:
    result = explained("hello")
    show(result)
    text = capsys.readouterr().out
    route = result.trace.route
    assert text.startswith(f"{route.outcome} to {route.model}: {route.reason}")
    assert "domain:math" in text
    assert "guard jailbreak: clean" in text
    assert f"x-selected-model: {route.model}" in text


def test_a_looper_is_shown_with_the_models_it_would_call(capsys: pytest.CaptureFixture[str]) -> None:
    result = explained("please prove it", Path(__file__).parents[2] / "config" / "loopers.yaml")
    assert result.as_dict()["route"]["members"] == ["small", "middle", "big"]
    show(result)
    text = capsys.readouterr().out
    assert text.startswith("compose: decision panel matched; fusion calls small, middle, big")
    assert "Would be sent to small, middle, big, in several calls" in text


def test_a_looper_is_shown_with_the_masked_request(tmp_path: Path) -> None:
    file = tmp_path / "loopers.yaml"
    written = (Path(__file__).parents[2] / "config" / "loopers.yaml").read_text()
    masked = '"127.0.0.1:9001"}], pii_policy: {allow_by_default: false, action: mask}}'
    file.write_text(written.replace('"127.0.0.1:9001"}]}', masked))
    sent = explained("please prove it and write to john.smith@example.com", file).sent
    assert "in several calls" in sent.to
    assert "john.smith@example.com" not in json.dumps(sent.body)


def test_prompt_from_standard_input_system_prompt_and_model_are_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    result = vsr(capsys, "explain", "-", "--model", "code-34b", "--system", "Be brief.", "--json").json()
    assert result["route"]["model"] == "code-34b"
    assert result["sent"]["body"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "from a pipe"},
    ]


def test_without_a_model_the_router_chooses_whatever_name_asks_it_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    written = CONFIG.replace(", api_key_env: SECRET_KEY", "")
    file.write_text(written + "global: {router: {auto_model_names: [router]}}\n")
    result = vsr(capsys, "explain", "hello", "--config", str(file), "--json")
    assert result.json()["sent"]["body"]["model"] == "general", result.err


def test_standard_input_in_another_encoding_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("你好".encode("gbk")), "utf-8"))
    result = vsr(capsys, "explain", "-")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "must be UTF-8 text" in result.err


def test_what_is_answered_here_is_shown_with_its_status() -> None:
    sent = explained("hello", model="nobody").sent
    assert (sent.to, sent.status) == ("the client", 404)


def test_a_prompt_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    result = explained(":fire: [/x]")
    show(result)
    assert ":fire: [/x]" in capsys.readouterr().out


def test_credentials_are_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-canary")
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG)
    result = explained("hello", file)
    show(result)
    assert result.sent.headers["authorization"] == "<secret>"
    assert "sk-canary" not in json.dumps(result.as_dict()) + capsys.readouterr().out


def test_a_broken_bundle_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = vsr(capsys, "explain", "hello", "--bundle", str(tmp_path))
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert str(tmp_path) in result.err
