"""A model card as Hugging Face reads it, of what a bundle says of itself and what was measured.

What only training knows, such as data and limits, stands in the card that `vsr train` writes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from vsr.evaluation.report import measured_part
from vsr.evaluation.tables import Report


def card(report: Report, images: Sequence[str] = (), folder: str = ".") -> str:
    """Markdown with front matter. images: names of pictures in `folder`, seen from the card."""
    model, windows = report["model"], report["model"]["windows"]
    front = {
        "license": model["license"].lower(),
        "language": report["languages"],
        "base_model": model["base_model"],
        "pipeline_tag": "text-classification",
    }
    heads = {name: ", ".join(labels) for name, labels in model["heads"].items()}
    heads["embedding"] = f"a unit vector of {model['dimension']} numbers"
    lines = [
        "---",
        # JSON is YAML, whatever characters a bundle has in its names
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items() if value),
        "---",
        f"# {report['name']}",
        "",
        f"Version {report['bundle']}, engine {report['engine']}, base model {model['base_model']}"
        f"{', licence ' + model['license'] if model['license'] else ''}. Reads windows of "
        f"{windows['tokens']} tokens, one every {windows['stride']}. Measured on texts in "
        f"{', '.join(report['languages']) or 'languages that no row names'}.",
        "",
        "| head | says |",
        "|---|---|",
        *(f"| {name} | {says} |" for name, says in heads.items()),
        "",
        "## Measured",
        "",
        measured_part(report, images, folder),
    ]
    return "\n".join(lines)
