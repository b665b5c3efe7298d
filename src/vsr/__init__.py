"""VSR, a semantic router for LLM traffic."""

import sys
from typing import Any

__version__ = "0.1.0"

# Importing openvino writes a client number to the user's home, and its converter and NNCF report each use to
# their maker. Nothing here reaches the network that nobody asked to: they do without what they cannot import.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("openvino_telemetry", None)
