"""What `vsr serve` says when it is ready: what runs where, what has no effect, and a request to try."""

from __future__ import annotations

import json

from vsr import __version__
from vsr.cli.output import console
from vsr.cli.ports import METRICS_HOST
from vsr.cli.serve_options import ServeOptions
from vsr.config.policy import Listener, Policy

PROMPTS = ("What is the derivative of x^2?", "帮我解这道微积分题")
_MODELS_SHOWN = 8


def announce(policy: Policy, options: ServeOptions) -> None:
    """Print to stdout. Plain lines, so that addresses and commands can be copied."""
    out = console()
    out.print(f"[bold]VSR {__version__}[/bold] is ready.\n")
    for what, where in _places(policy, options):
        out.print(f"  {what:<14} {where}")
    for key in policy.inert:
        out.print(f"\n[bold yellow]without effect yet:[/bold yellow] {key}")
    out.print("\nTry it:\n")
    for prompt in PROMPTS:
        out.print(f"  {curl(policy.listeners[0], prompt)}\n", markup=False, soft_wrap=True)
    out.print("Stop it with Ctrl-C.")


def curl(listener: Listener, prompt: str) -> str:
    """A command that sends `prompt` to this listener and shows the headers of the answer."""
    body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    key = ' -H "authorization: Bearer $VSR_API_KEY"' if listener.api_keys else ""
    return (
        f"curl -i {_url(listener)}/v1/chat/completions -H 'content-type: application/json'{key} "
        f"-d '{json.dumps(body, ensure_ascii=False)}'"
    )


def _places(policy: Policy, options: ServeOptions) -> list[tuple[str, str]]:
    door = "Envoy" if options.envoy else "gateway"
    places = [(door, f"{_url(listener)}/v1") for listener in policy.listeners]
    if options.extproc:
        places.append(("ext_proc", f"127.0.0.1:{options.extproc_port} (gRPC)"))
    management = policy.management
    places.append(("management API", f"http://{management.address}:{management.port}"))
    places.append(("metrics", f"http://{METRICS_HOST}:{options.metrics_port}/metrics"))
    names = list(policy.models)
    more = f" and {len(names) - _MODELS_SHOWN} more" if len(names) > _MODELS_SHOWN else ""
    simulated = " (simulated)" if options.simulate else ""
    places.append(("models", ", ".join(names[:_MODELS_SHOWN]) + more + simulated))
    if options.workers > 1:
        places.append(("workers", str(options.workers)))
    return places


def _url(listener: Listener) -> str:
    host = "127.0.0.1" if listener.address in ("0.0.0.0", "::") else listener.address
    return f"http://[{host}]:{listener.port}" if ":" in host else f"http://{host}:{listener.port}"
