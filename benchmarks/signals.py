"""What the signals cost that need no model, on one thread.

    python benchmarks/signals.py

A prompt of about 512 tokens in English and in Chinese. `plain`: 50 rules of literal keywords (5 each),
structure, conversation and context. `scored`: bm25, n-gram and fuzzy keywords (two rules each, 4
keywords a rule) and language. The median and the 95th percentile of single evaluations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from vsr.chat.conversation import Conversation
from vsr.config.load import load_text
from vsr.config.policy_signals import Signals
from vsr.content import Content
from vsr.facts import Passage
from vsr.signals.evidence import Evidence
from vsr.signals.rules import TextRules

ROUNDS = 2_000
ENGLISH = (
    "Our payment service fails about once an hour since Tuesday. The log shows a timeout while it waits "
    "for the database, then three retries, and then the worker restarts. First I raised the pool size, "
    "then I moved the migration to the night, but nothing helped. Which metrics should I look at, and "
    "how would you find out whether the locks or the network are to blame? Please answer in a table "
    "with at most five rows. "
)
CHINESE = (
    "自周二以来，我们的支付服务大约每小时出错一次。日志显示等待数据库时超时，然后重试三次，最后进程重启。"
    "首先我增大了连接池，然后把迁移移到夜里，但没有用。应该看哪些指标？"
)
PROVIDERS = """\
version: v0.3
providers: {defaults: {default_model: a}, models: [{name: a, backend_refs: [{endpoint: "127.0.0.1:1"}]}]}
"""
WORDS = (
    "kernel",
    "invoice",
    "derivative",
    "contract",
    "protein",
    "refund",
    "latency",
    "sonnet",
    "编译",
    "合同",
)


def plain_rules() -> Signals:
    lines = ["routing:", "  signals:", "    keywords:"]
    for number in range(26):
        words = ", ".join(f"{WORDS[(number + step) % 10]}{number if step else ''}" for step in range(5))
        lines.append(f"      - {{name: k{number}, keywords: [{words}]}}")
    lines.append("    structure:")
    for number in range(4):
        source = "{type: regex, pattern: '[?？]'}"
        lines += [f"      - name: r{number}", f"        feature: {{type: count, source: {source}}}"]
        source = "{type: keyword_set, keywords: [at most, at least, within, 不超过, 至少]}"
        lines += [f"      - name: d{number}", f"        feature: {{type: density, source: {source}}}"]
    lines.append("    conversation:")
    for number, source in enumerate(("message", "tool_definition", "image_content", "active_tool_loop") * 2):
        lines += [f"      - {{name: c{number}, feature: {{type: count, source: {{type: {source}}}}}}}"]
    lines.append("    context:")
    lines += [f"      - {{name: x{number}, min_tokens: {number}K}}" for number in range(8)]
    return load_text(PROVIDERS + "\n".join(lines), "benchmark", {}).policy.signals


def scored_rules() -> Signals:
    lines = ["routing:", "  signals:", "    keywords:"]
    for method in ("bm25", "ngram", "fuzzy"):
        for number, words in enumerate(
            ("database, deadlock, timeout, 超时", "credit card, refund, urgent, 退款")
        ):
            lines.append(f"      - {{name: {method}{number}, method: {method}, keywords: [{words}]}}")
    lines += ["    language:", *(f"      - {{name: {name}}}" for name in ("en", "zh", "de"))]
    return load_text(PROVIDERS + "\n".join(lines), "benchmark", {}).policy.signals


def milliseconds(work: Callable[[], object]) -> tuple[float, float]:
    for _ in range(50):
        work()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return median(times), times[int(len(times) * 0.95)]


def evaluate(rules: TextRules, evidence: Evidence) -> None:
    rules.evaluate(evidence.asked(), evidence, 1.0)


def main() -> None:
    texts = {"en": (ENGLISH * 6)[:2048], "zh": (CHINESE * 8)[:512]}
    sets: Sequence[tuple[str, Signals, float]] = (
        ("plain", plain_rules(), 0.2),
        ("scored", scored_rules(), 1.0),
    )
    for name, signals, target in sets:
        rules = TextRules(signals)
        count = sum(len(getattr(signals, field)) for field in ("keywords", "structures", "conversations"))
        count += len(signals.contexts) + len(signals.languages)
        for language, text in texts.items():
            evidence = Evidence(
                (Passage("user", Content(text), ()),), (0,), Conversation({"user": 1}, ((0,),))
            )
            half, most = milliseconds(partial(evaluate, rules, evidence))
            print(f"{name:7}{language}  {count} rules  median {half:.3f} ms, p95 {most:.3f}, target {target}")


if __name__ == "__main__":
    main()
