"""What a schema cannot see: references, contradictions, rules that never match, actions that cannot act.

Every check adds to the context's report; none stops at the first finding, and none changes anything.
"""

from __future__ import annotations

from vsr.config.lint.context import Context
from vsr.config.lint.decisions import check_decisions
from vsr.config.lint.providers import check_providers
from vsr.config.lint.service import check_service
from vsr.config.lint.signals import check_signals


def lint(context: Context) -> None:
    check_service(context)
    check_providers(context)
    check_signals(context)
    check_decisions(context)


__all__ = ["Context", "lint"]
