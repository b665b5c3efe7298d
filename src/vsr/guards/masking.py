"""What stands in the place of masked personal data. Placeholders say the type and cannot be undone."""

from __future__ import annotations

from vsr.facts import Entity


def placeholder(entity: Entity) -> str:
    """E.g. `[EMAIL_ADDRESS]`."""
    return f"[{entity.type}]"
