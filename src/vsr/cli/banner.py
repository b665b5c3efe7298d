"""What `vsr serve` says when it is ready: what runs where, what has no effect, and a request to try."""

from __future__ import annotations

import json

from rich.markup import escape

from vsr import __version__
from vsr.cli.output import console
from vsr.cli.ports import reached_at
from vsr.cli.serve_options import ServeOptions
from vsr.config.policy import Listener, Policy

PROMPTS = ("What is the derivative of x^2?", "帮我解这道微积分题")
_MODELS_SHOWN = 8


def announce(policy: Policy, options: ServeOptions) -> None:
    """Print to stdout. Plain lines, so that addresses and commands can be copied."""
    out = console()
    out.print(f"[bold]VSR {__version__}[/bold] is ready.\n")
    for what, where in _places(policy, options):
        out.print(f"  {what:<14} {where}", markup=False)
    for key in policy.inert:
        out.print(f"\n[bold yellow]without effect yet:[/bold yellow] {escape(key)}")
    out.print("\nTry it:\n")
    for prompt in PROMPTS:
        out.print(f"  {curl(policy.listeners[0], policy.auto_name, prompt)}\n", markup=False, soft_wrap=True)
    out.print("Stop it with Ctrl-C.")


def curl(listener: Listener, model: str, prompt: str) -> str:
    """A command that sends `prompt` to this listener and shows the headers of the answer."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    key = ' -H "authorization: Bearer $VSR_API_KEY"' if listener.api_keys else ""
    url = f"{_url(listener.address, listener.port)}/v1/chat/completions"
    return (
        f"curl -i {url} -H 'content-type: application/json'{key} -d '{json.dumps(body, ensure_ascii=False)}'"
    )


def _places(policy: Policy, options: ServeOptions) -> list[tuple[str, str]]:
    door = "Envoy" if options.envoy else "gateway"
    places = [(door, f"{_url(listener.address, listener.port)}/v1") for listener in policy.listeners]
    if options.extproc:
        places.append(("ext_proc", f"{_authority(options.extproc_host, options.extproc_port)} (gRPC)"))
    management = policy.management
    places.append(("management API", _url(management.address, management.port)))
    places.append(("metrics", f"{_url(options.metrics_host, options.metrics_port)}/metrics"))
    names = list(policy.models)
    more = f" and {len(names) - _MODELS_SHOWN} more" if len(names) > _MODELS_SHOWN else ""
    simulated = " (simulated)" if options.simulate else ""
    places.append(("models", ", ".join(names[:_MODELS_SHOWN]) + more + simulated))
    if options.workers > 1:
        places.append(("workers", str(options.workers)))
    return places


def _url(address: str, port: int) -> str:
    return f"http://{_authority(address, port)}"


def _authority(address: str, port: int) -> str:
    host = reached_at(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
