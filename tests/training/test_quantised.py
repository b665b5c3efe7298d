"""What the int8 graph is held to: the labels and the accuracy of the fp32 one, head by head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

for needed in ("torch", "nncf"):
    pytest.importorskip(needed, reason="training needs the extra `train`")

from vsr.errors import EvaluationError  # noqa: E402
from vsr.training.bundle import Output  # noqa: E402
from vsr.training.labels import DOMAINS, TAGS  # noqa: E402
from vsr.training.quantised import check, compared  # noqa: E402
from vsr.training.rows import Row  # noqa: E402


def row(domain: str | None) -> Row:
    return Row("text", "S", "own", "g", "en", "natural/en", domain=domain)


def output(domain: str) -> Output:
    logits = np.eye(len(DOMAINS), dtype=np.float32)[DOMAINS.index(domain)]
    tags = np.zeros((3, len(TAGS)), np.float32)
    asks = {"fact_check": np.zeros(2, np.float32), "feedback": np.zeros(5, np.float32)}
    return Output(logits, np.zeros(2, np.float32), tags, np.eye(384, dtype=np.float32)[0], asks)


def test_each_graphs_accuracy_is_told_where_a_row_has_the_label() -> None:
    rows = [row("law"), row("math"), row(None)]
    before = [output("law"), output("math"), output("law")]
    told = compared(rows, before, [output("law"), output("physics"), output("law")])
    assert told["domain_accuracy_fp32"] == 1.0
    assert told["domain_accuracy_int8"] == 0.5
    assert told["domain_same"] == pytest.approx(2 / 3)
    assert "feedback_accuracy_int8" not in told


def test_a_graph_that_says_something_else_is_refused_by_the_heads_name() -> None:
    rows = [row("law")] * 10
    same = [output("law")] * 10
    check(compared(rows, same, same))
    with pytest.raises(EvaluationError, match=r"domain_same 0\.800"):
        check(compared(rows, same, [*same[:8], output("math"), output("math")]))
    moved = [replace(one, embedding=-one.embedding) for one in same]
    with pytest.raises(EvaluationError, match="embedding_cosine"):
        check(compared(rows, same, moved))
