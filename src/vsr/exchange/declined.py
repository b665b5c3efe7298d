"""Why a judged request is sent to no model, as the error that its client gets."""

from __future__ import annotations

from vsr.config.policy import Policy
from vsr.errors import InvalidRequest, ModelNotFound, Overloaded, Refused, RequestError, Unavailable
from vsr.facts import Facts
from vsr.route import Finding, Route


def declined(route: Route, policy: Policy, facts: Facts) -> RequestError:
    """route: of an outcome other than forward, compose and answer."""
    match route.outcome:
        case "unknown_model":
            return ModelNotFound(
                "The requested model is not available here; see /v1/models.",
                param="model",
                status=policy.unknown_model_status,
            )
        case "unroutable":
            return InvalidRequest(
                "unable to route request: no model selected and no default model configured",
                param="model",
                code="unroutable",
            )
        case "unselected":
            return Unavailable(
                "No model of the decision for this request can take it now. Try again later.",
                code="no_candidate",
                retry_after=5,
            )
        case "unavailable" if facts.encoder_error == "overloaded":
            return Overloaded("The router is busy judging other requests. Try again shortly.", retry_after=1)
        case "unavailable":
            return Unavailable(
                "The request could not be checked for safety, so it was not served.", retry_after=5
            )
    finding = refusing(route)
    return Refused(_message(finding, policy.guards.refusal_message), code=f"{finding.guard}_refused")


def refusing(route: Route) -> Finding:
    """What the guard said that refused this route."""
    finding = route.finding(route.refused_by)
    assert finding is not None, "a refused route names the guard that refused it"
    return finding


def _message(finding: Finding, message: str) -> str:
    if finding.guard == "pii":
        return f"{message} Personal data of these types may not be sent: {', '.join(finding.types)}."
    return message
