"""What `vsr serve` was asked to do, as one value: workers get it from their parent."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

HOP_TOKEN_ENV = "VSR_HOP_TOKEN"
"""Set for the workers of one router, any of which may be sent what another has left on loopback."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """config None and no models: the built-in configuration. models: what the server at OPENAI_BASE_URL
    lists. host, port, management_port None: as the configuration says. last_good: where the workers of one
    router keep the text that they serve."""

    config: Path | None = None
    models: tuple[str, ...] = ()
    bundle: Path | None = None
    host: str | None = None
    port: int | None = None
    envoy: bool = False
    extproc: bool = False
    extproc_host: str = "127.0.0.1"
    extproc_port: int = 50051
    loopback_port: int = 8802
    management_port: int | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9190
    simulate: bool = False
    workers: int = 1
    last_good: Path | None = None
    grace: float = 30.0
    log_level: str = "info"
    log_format: str = "text"

    @property
    def threads(self) -> int | None:
        """Threads of one worker's encoder."""
        return None if self.workers == 1 else max(1, (os.cpu_count() or 1) // self.workers)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> ServeOptions:
        values = json.loads(text)
        for name in ("config", "bundle", "last_good"):
            values[name] = Path(values[name]) if values[name] is not None else None
        return cls(**{**values, "models": tuple(values["models"])})
