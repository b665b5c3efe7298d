"""What is known about the providers that `provider` and `type` may name.

All of them are spoken to in OpenAI's protocol. Where a provider's own protocol is another, only the
OpenAI-compatible endpoint beside it is accepted, which is told by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Dialect:
    """origin: where the provider is if nothing is written. path: what requests go below if no path is
    written. suffix: what a written path must end with. native: what the provider speaks otherwise."""

    fields: Literal["vllm", "openai"] = "openai"
    origin: str = ""
    path: str = "/v1"
    suffix: str = ""
    auth_header: str = "authorization"
    native: str = ""


DIALECTS: Final[Mapping[str, Dialect]] = {
    "vllm": Dialect(fields="vllm"),
    "openai": Dialect(origin="https://api.openai.com"),
    "azure-openai": Dialect(path="/openai/v1", auth_header="api-key"),
    "anthropic": Dialect(
        origin="https://api.anthropic.com",
        suffix="/v1",
        native="Anthropic's Messages API is not spoken",
    ),
    "bedrock": Dialect(
        path="/openai/v1",
        suffix="/v1",
        native="Bedrock's own API asks for AWS signatures; its OpenAI-compatible one takes a Bedrock API key",
    ),
    "gemini": Dialect(
        origin="https://generativelanguage.googleapis.com",
        path="/v1beta/openai",
        suffix="/openai",
        native="Gemini's own API is not spoken",
    ),
    "vertex-ai": Dialect(
        path="",
        suffix="/endpoints/openapi",
        native="Vertex AI's own API is not spoken; the path names project and location: "
        "/v1/projects/P/locations/L/endpoints/openapi",
    ),
    "minimax": Dialect(
        origin="https://api.minimax.io",
        suffix="/v1",
        native="MiniMax's older API is not spoken",
    ),
}
"""By name. Vertex AI has no path of its own, since that names project and location."""

UNKNOWN: Final = Dialect(fields="vllm")
"""A server that nothing is said about."""


def dialect_of(provider: str, kind: str, host: str = "") -> Dialect:
    """By `provider`, else by `type`, else by the host of OpenAI or Azure; else a server like vLLM's."""
    for name in (provider, kind):
        if name in DIALECTS:
            return DIALECTS[name]
    if host.endswith(".openai.azure.com"):
        return DIALECTS["azure-openai"]
    return DIALECTS["openai"] if host == "api.openai.com" else UNKNOWN
