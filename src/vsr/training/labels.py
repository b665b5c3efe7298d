"""The label sets of the default bundle's heads, in the order of their logits. Names only."""

from __future__ import annotations

from typing import Final

from vsr.config.labels import DOMAINS, PII_TYPES

__all__ = ["DOMAINS", "FACT_CHECK", "FEEDBACK", "JAILBREAK", "PII_TYPES", "TAGS"]

JAILBREAK: Final = ("benign", "jailbreak")

FACT_CHECK: Final = ("NO_FACT_CHECK_NEEDED", "FACT_CHECK_NEEDED")
"""Whether an answer to the text states facts that could be checked."""

FEEDBACK: Final = ("NONE", "SAT", "NEED_CLARIFICATION", "WRONG_ANSWER", "WANT_DIFFERENT")
"""What the text says about the answer before it; NONE for an ordinary first question."""

TAGS: Final = ("O", *(f"{prefix}-{kind}" for kind in PII_TYPES for prefix in ("B", "I")))
"""`TAGS[1 + 2 * i]` begins and `TAGS[2 + 2 * i]` continues a span of `PII_TYPES[i]`."""
