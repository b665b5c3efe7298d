"""Services of others that signals ask: where they are and how they are spoken to. Part of a `Policy`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vsr.content import Secret


@dataclass(frozen=True, slots=True)
class Service:
    """A model of others behind HTTP. url: the base that paths are appended to. dimension: of its vectors,
    0 if it is not known. The rest is for those that label texts."""

    name: str
    url: str
    model: str = ""
    key: Secret | None = None
    timeout: float = 5.0
    dimension: int = 0
    dialect: Literal["labels", "vllm"] = "labels"
    parser: Literal["auto", "json", "simple", "qwen3guard"] = "auto"
    max_tokens: int = 256
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class RemoteGuard:
    """A guard of others that judges beside the bundle's own head. labels: which of a classifier's count as
    an attack; a chat model has its own. on_unavailable: when it could not judge; that the own head could
    not is set elsewhere."""

    service: Service
    protocol: Literal["http_chat", "http_classify"]
    labels: tuple[str, ...]
    threshold: float
    on_unavailable: Literal["refuse", "allow"] = "refuse"


@dataclass(frozen=True, slots=True)
class MCPServer:
    """A classification server of the Model Context Protocol: a command to run, or a URL."""

    name: str
    tool: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, Secret], ...] = ()
    url: str = ""
    timeout: float = 30.0
