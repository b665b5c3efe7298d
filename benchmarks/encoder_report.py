"""The table of `benchmarks.encoder`."""

from __future__ import annotations

from typing import Any

from benchmarks.report import where


def markdown(result: dict[str, Any]) -> str:
    bundle = result["bundle"]
    return "\n".join(
        [
            "# The encoder alone",
            "",
            where(result),
            f"Bundle {bundle['name']} {bundle['version']}, all heads, every text new.",
            "",
            *_latency(result),
            "",
            *_growth(result),
            "",
            *_throughput(result),
            "",
            *_beside(result),
            "",
        ]
    )


def _latency(result: dict[str, Any]) -> list[str]:
    original = result["original"]
    rows = [
        "| tokens | p50 ms | p99 ms | texts | bare OpenVINO, p50 ms | three ModernBERT-base, torch fp32, ms "
        "| times as long |",
        "|---|---|---|---|---|---|---|",
    ]
    for tokens, one in result["latency_ms"].items():
        theirs = original.get("ms", {}).get(str(tokens))
        compared = f"{theirs:.0f} | {theirs / one['p50']:.0f}" if theirs else "– | –"
        bare = f"{one['bare_p50']:.2f}" if "bare_p50" in one else "–"
        own = f"{one['p50']:.2f} | {one['p99']:.2f} | {one['n']:.0f} | {bare}"
        rows.append(f"| {tokens} | {own} | {compared} |")
    return [*rows, *(["", f"The original's way: {original['note']}."] if "note" in original else [])]


def _growth(result: dict[str, Any]) -> list[str]:
    fit = result["growth"]
    return [
        f"From 512 tokens on: {fit['ms_per_1000_tokens']:.1f} ms per 1,000 tokens, a straight line "
        f"(R² {fit['r_squared']:.4f})."
    ]


def _throughput(result: dict[str, Any]) -> list[str]:
    rows = [
        "| 16 clients, tokens | texts/s | bare OpenVINO, batches of 16 | ratio |",
        "|---|---|---|---|",
    ]
    for tokens, one in result["throughput"].items():
        bare = f"{one['bare']:.0f} | {one['ratio']:.2f}" if "bare" in one else "– | –"
        rows.append(f"| {tokens} | {one['encoder']:.0f} | {bare} |")
    return rows


def _beside(result: dict[str, Any]) -> list[str]:
    beside = result["short_beside_long"]
    alone, crowded = beside["alone"], beside["beside"]
    return [
        f"Texts of 32 tokens while two clients send texts of 8,192: p50 {crowded['p50']:.1f} ms and p99 "
        f"{crowded['p99']:.1f} ms, alone {alone['p50']:.1f} and {alone['p99']:.1f}: p99 "
        f"{beside['p99_ratio']:.1f} times as long."
    ]
