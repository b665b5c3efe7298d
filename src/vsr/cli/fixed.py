"""What this router cannot change while it runs, with what its flags started beside it."""

from __future__ import annotations

from vsr.cli.serve_options import ServeOptions
from vsr.config.envoy import EnvoyOptions, envoy_config
from vsr.config.fixed import needs_restart
from vsr.config.policy import Backend, Policy


class Fixed:
    """Called with the running policy and the wanted one; the sentences say what needs a restart."""

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._body_limit: int | None = None

    def __call__(self, running: Policy, wanted: Policy) -> list[str]:
        found = needs_restart(running, wanted)
        if self._body_limit is None:  # the first policy that is asked about is the one of the start
            self._body_limit = running.limits.max_body_bytes
        if self._options.envoy:
            found += _known_to_envoy(running, wanted)
        elif self._options.extproc and wanted.limits.max_body_bytes > self._body_limit:
            found.append(
                f"global.limits.max_body_bytes cannot be raised above the {self._body_limit} bytes that the "
                "external processor was started with: restart the router to change it"
            )
        if self._options.extproc and wanted.loops and not running.loops:
            found.append(
                "routing.decisions: the router opens the listener on loopback that algorithms with several "
                "models need behind Envoy when it starts: restart the router to use the first one"
            )
        return found


def _known_to_envoy(running: Policy, wanted: Policy) -> list[str]:
    """The Envoy beside this router has read its configuration once, so everything in it is fixed."""
    options = EnvoyOptions()
    if envoy_config(running, options) == envoy_config(wanted, options):
        return []
    before, after = _backends(running), _backends(wanted)
    changed = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    what = f"back ends ({', '.join(changed)})" if changed else "listeners, limits or timeouts"
    return [
        f"Envoy, which this router started, knows its configuration from the start: what changed about its "
        f"{what} needs a restart of the router"
    ]


def _backends(policy: Policy) -> dict[str, Backend]:
    return {backend.name: backend for model in policy.models.values() for backend in model.backends}
