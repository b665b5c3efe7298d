from __future__ import annotations

from tests.config.documents import PROVIDERS, complaint, load, policy

KEYED = """\
version: v0.3
providers:
  defaults: {default_model: a}
  models:
    - name: a
      backend_refs:
        - endpoint: 127.0.0.1:${PORT:-9001}
          api_key: %s
"""


def test_a_reference_is_replaced_and_a_default_applies_when_the_variable_is_missing_or_empty() -> None:
    text = KEYED % "${KEY}"
    for env, port in (({}, 9001), ({"PORT": ""}, 9001), ({"PORT": "7"}, 7)):
        backend = load(text, {"KEY": "k", **env}).policy.models["a"].backends[0]
        assert backend.port == port


def test_a_missing_variable_is_one_error_with_its_line() -> None:
    message = complaint("listeners:\n  - port: ${PORT}\n")
    assert message == "8: the environment variable PORT is not set; or write ${PORT:-default}"


def test_two_dollars_write_a_literal_reference() -> None:
    extra = "global: {guards: {refusal_message: 'set $${HOME} or $5'}}\n"
    assert policy(extra).guards.refusal_message == "set ${HOME} or $5"


def test_a_malformed_reference_is_an_error() -> None:
    for text in ("${A-B}", "${}", "${OPEN", "${A:=b}"):
        assert "write a reference as ${NAME}" in complaint(
            f"global: {{guards: {{refusal_message: '{text}'}}}}\n"
        )


def test_a_default_with_braces_is_refused_since_it_would_end_too_early() -> None:
    for text in ("${A:-${B}}", "${A:-{}}", "${A:-$${B}}"):
        message = complaint(f"global: {{guards: {{refusal_message: '{text}'}}}}\n", {"A": "a", "B": "b"})
        assert message.endswith("the default of ${A:-...} cannot hold { or another reference")


def test_a_number_from_the_environment_fits_where_a_number_is_expected() -> None:
    extra = 'global:\n  limits: {max_body_bytes: "${SIZE}"}\n  timeouts: {idle: "${IDLE}"}\n'
    loaded = policy(extra, {"SIZE": "2KiB", "IDLE": "90s"})
    assert (loaded.limits.max_body_bytes, loaded.timeouts.idle) == (2048, 90.0)


def test_a_key_comes_from_the_environment_and_never_shows() -> None:
    loaded = load(KEYED % "${KEY}", {"KEY": "sk-secret"}).policy
    key = loaded.models["a"].backends[0].api_key
    assert key is not None
    assert key.reveal() == "sk-secret"
    assert "sk-secret" not in repr(loaded)


def test_the_digest_follows_the_text_and_not_the_environment() -> None:
    one, two = load(PROVIDERS), load(PROVIDERS + "# a comment\n")
    assert one.policy.digest != two.policy.digest
