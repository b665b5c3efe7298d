"""What `vsr serve` was asked to do, as one value: workers get it from their parent."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """config None and no models: the built-in configuration. models: what the server at OPENAI_BASE_URL
    lists. host, port, management_port None: as the configuration says. threads None: all cores."""

    config: Path | None = None
    models: tuple[str, ...] = ()
    bundle: Path | None = None
    host: str | None = None
    port: int | None = None
    envoy: bool = False
    extproc: bool = False
    extproc_port: int = 50051
    management_port: int | None = None
    metrics_port: int = 9190
    simulate: bool = False
    workers: int = 1
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
        for name in ("config", "bundle"):
            values[name] = Path(values[name]) if values[name] is not None else None
        return cls(**{**values, "models": tuple(values["models"])})
