"""The label sets of the default bundle's heads, in the order of their logits. Names only."""

from __future__ import annotations

from typing import Final

from vsr.config.labels import DOMAINS, PII_TYPES

__all__ = ["DOMAINS", "JAILBREAK", "PII_TYPES", "TAGS"]

JAILBREAK: Final = ("benign", "jailbreak")

TAGS: Final = ("O", *(f"{prefix}-{kind}" for kind in PII_TYPES for prefix in ("B", "I")))
"""`TAGS[1 + 2 * i]` begins and `TAGS[2 + 2 * i]` continues a span of `PII_TYPES[i]`."""
