"""From single measurements to what is reported: percentiles, rates, and the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

PERCENTILES = (50, 95, 99)
DIRECT = "direct"


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: a value that was measured, not one in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def summarised(result: dict[str, Any]) -> dict[str, Any]:
    """The same with percentiles in place of thousands of numbers. Times in milliseconds."""
    return {
        **result,
        "latency": {tokens: _added(one, "whole") for tokens, one in result["latency"].items()},
        "first_token": _added(result["first_token"], "first"),
        "hot": _added(result["hot"], "whole"),
        "throughput": {
            clients: {name: _rate(target) for name, target in one.items()}
            for clients, one in result["throughput"].items()
        },
    }


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Both, dictionaries merged at every depth; where both have a value, the first's stays."""
    both = {**second, **first}
    for key in first.keys() & second.keys():
        if isinstance(first[key], dict):
            both[key] = merged(first[key], second[key])
    return both


def _added(job: dict[str, Any], what: str) -> dict[str, Any]:
    """Each target's percentiles, and by how much they exceed those of going direct."""
    direct = {share: percentile(job[DIRECT][what], share) for share in PERCENTILES}
    summary = {}
    for name, target in job.items():
        own = {share: percentile(target[what], share) for share in PERCENTILES}
        summary[name] = {"n": len(target[what]), "failures": target["failures"]}
        summary[name] |= {f"p{share}": _milliseconds(own[share]) for share in PERCENTILES}
        if name != DIRECT:
            summary[name] |= {
                f"added_p{share}": _milliseconds(own[share] - direct[share]) for share in PERCENTILES
            }
    return summary


def _rate(target: dict[str, Any]) -> dict[str, Any]:
    count = len(target["whole"])
    return {
        "n": count,
        "failures": target["failures"],
        "per_second": round((count - target["failures"]) / target["seconds"], 1),
        "p50": _milliseconds(percentile(target["whole"], 50)),
        "p99": _milliseconds(percentile(target["whole"], 99)),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)


def markdown(result: dict[str, Any]) -> str:
    return "\n".join(
        [
            "# What the router adds",
            "",
            where(result),
            "",
            "Milliseconds over going direct to the same simulated model; one door at a time, all heads,"
            " every prompt distinct.",
            "",
            *_latency_table(result),
            "",
            *_throughput_table(result),
            "",
            *_costs(result),
            "",
        ]
    )


def where(result: dict[str, Any]) -> str:
    here = result["machine"]
    features = ", ".join(here["features"]) or "no special instructions"
    return (
        f"Measured {result['date']} on {here['cores']} cores of {here['processor']} ({features}), "
        f"{here['memory_gib']} GiB, {here['system']}, Python {here['python']}, OpenVINO {here['openvino']}, "
        f"vsr {here['vsr']}; load before the run {here['load_before']}."
    )


def _latency_table(result: dict[str, Any]) -> list[str]:
    rows = [
        "| prompt | door | added p50 | p95 | p99 | requests | failures |",
        "|---|---|---|---|---|---|---|",
    ]
    jobs = {f"{tokens} tokens": job for tokens, job in result["latency"].items()}
    jobs["first token, 64 tokens"] = result["first_token"]
    jobs["64 tokens, hot"] = result["hot"]
    for title, job in jobs.items():
        for name, one in job.items():
            if name != DIRECT:
                added = " | ".join(f"{one[f'added_p{share}']:.1f}" for share in PERCENTILES)
                rows.append(f"| {title} | {name} | {added} | {one['n']} | {one['failures']} |")
    return rows


def _throughput_table(result: dict[str, Any]) -> list[str]:
    rows = [
        "| clients | door | requests/s | p50 | p99 | requests | failures |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients, job in result["throughput"].items():
        for name, one in job.items():
            numbers = f"{one['per_second']:.0f} | {one['p50']:.1f} | {one['p99']:.1f}"
            rows.append(f"| {clients} | {name} | {numbers} | {one['n']} | {one['failures']} |")
    return rows


def _costs(result: dict[str, Any]) -> list[str]:
    memory = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in result["memory_mib"].items())
    at_start = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in result["memory_mib_at_start"].items())
    return [
        f"Resident memory of the router's process: {at_start} at start, {memory} at the end.",
        f"Ready {result['start_seconds']:.1f} s after the command. "
        f"Installed packages and code: {result['install_mib']:.0f} MiB.",
    ]
