"""A classification server, made with the protocol's own SDK: `python mcp_server.py`, or an HTTP
application. Run as a script it imports nothing of this repository."""

from __future__ import annotations

import json
import os
from typing import Any

from mcp.server.mcpserver import MCPServer

CATEGORIES = ["law", "math", "other"]


def server(*, classify: str = "classify_text") -> Any:
    made = MCPServer("classes")

    @made.tool()  # type: ignore[untyped-decorator]
    def list_categories() -> str:
        return json.dumps({"categories": CATEGORIES})

    @made.tool(name=classify)  # type: ignore[untyped-decorator]
    def classify_text(text: str, with_probabilities: bool = False) -> str:
        if "crash" in text:
            raise ValueError("a secret")
        if "exit" in text:
            os._exit(1)
        number = 1 if "integral" in text else 2
        answer: dict[str, Any] = {"class": number, "confidence": 0.8, "model": "m", "use_reasoning": True}
        if with_probabilities:
            answer["probabilities"] = [0.1, 0.8, 0.1] if number == 1 else [0.1, 0.1, 0.8]
        if "odd" in text:
            answer = {"class": 7, "confidence": 0.8}
        return json.dumps(answer)

    return made


if __name__ == "__main__":
    server().run("stdio")
