"""What a schema cannot see: references, contradictions, rules that never match, actions that cannot act.

Every check adds to the context's report; none stops at the first finding, and none changes anything.
"""

from __future__ import annotations

from vsr.config.lint.context import Context
from vsr.config.lint.policies import check_policies
from vsr.config.lint.providers import check_providers
from vsr.config.lint.reachable import check_reachable
from vsr.config.lint.recipes import check_recipes, check_routing
from vsr.config.lint.service import check_service
from vsr.config.lint.services import check_services


def lint(context: Context) -> None:
    check_service(context)
    check_services(context)
    check_providers(context)
    check_routing(context)
    check_recipes(context)
    check_reachable(context)
    check_policies(context)


__all__ = ["Context", "lint"]
