"""What a network that was just trained knows, before it is quantised and calibrated: figures by source.

Only the first window of a text is read, in torch. Domain: accuracy; jailbreak and duplicate pairs: AUC;
personal data: F1 of exact spans of the head alone, at one half. Counting is `vsr.evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.encoder.batcher import pad
from vsr.encoder.heads import softmax
from vsr.encoder.imported.tags import TagReader
from vsr.encoder.schedule import SPECIALS
from vsr.encoder.spans import find_spans
from vsr.encoder.tokens import TextTokenizer, Tokens
from vsr.evaluation.inputs import Inputs, Raw, annotated_types, by_source
from vsr.evaluation.metrics import Span
from vsr.evaluation.results import Judged, Labelled, Pair, Results, Spanned
from vsr.evaluation.tables import Report, tables
from vsr.training.bundle import WINDOW_TOKENS, Floats
from vsr.training.labels import DOMAINS, TAGS
from vsr.training.model import Network

HEADS = ("domain", "jailbreak", "pii", "embedding")
BATCH = 32


@dataclass(frozen=True, slots=True)
class _Answer:
    """Of one text: its tokens that were read, and the outputs of the heads for them."""

    tokens: Tokens
    domain: Floats
    jailbreak: Floats
    pii: Floats
    embedding: Floats


def measure(network: Network, tokenizer: Path, inputs: Inputs) -> dict[str, dict[str, Report]]:
    """head -> source -> value, its 95 % interval (low, high) and n, the rows (of pii: spans) it is of."""
    reader = _Reader(network, TextTokenizer(tokenizer))
    counted = tables(
        Results(
            labelled={"domain": _domain(reader, inputs.domain)} if inputs.domain else {},
            jailbreak=_guard(reader, inputs.guard),
            pii=_spans(reader, [row for row in inputs.pii if not row["source"].startswith("unit/")]),
            duplicates=_pairs(reader, inputs.pairs),
        )
    )
    chosen: Mapping[str, Callable[[Report], Report]] = {
        "domain": lambda row: row["accuracy"],
        "jailbreak": lambda row: {**row["auc"], "n": row["n"]},
        "pii": lambda row: {**row["all"]["head"]["f1"], "n": row["all"]["head"]["spans"]},
        "embedding": lambda row: {**row["auc"], "n": row["n"]},
    }
    return {
        head: {source: figure(row) for source, row in counted[head].items()}
        for head, figure in chosen.items()
        if counted.get(head)
    }


class _Reader:
    """Runs the network over texts in batches of similar length."""

    def __init__(self, network: Network, tokenizer: TextTokenizer) -> None:
        self._network = network
        self._tokenizer = tokenizer

    def read(self, texts: Sequence[str]) -> list[_Answer]:
        """In order."""
        tokens = [_first_window(self._tokenizer.encode(text)) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        answers: dict[int, _Answer] = {}
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            for begin in range(0, len(order), BATCH):
                part = order[begin : begin + BATCH]
                answers.update(zip(part, self._batch([tokens[i] for i in part]), strict=True))
        return [answers[i] for i in range(len(texts))]

    def _batch(self, part: Sequence[Tokens]) -> Iterator[_Answer]:
        width = max(map(len, part)) + SPECIALS
        ids, mask = pad([tokens.ids for tokens in part], width, self._tokenizer)
        outputs = self._network(torch.from_numpy(ids), torch.from_numpy(mask))
        domain, jailbreak, pii, embedding = (output.float().numpy() for output in outputs[:4])
        for row, tokens in enumerate(part):
            of_tokens = pii[row, 1 : len(tokens) + 1]
            yield _Answer(tokens, domain[row], jailbreak[row], of_tokens, embedding[row])


def _first_window(tokens: Tokens) -> Tokens:
    end = WINDOW_TOKENS
    return Tokens(tokens.ids[:end], tokens.starts[:end], tokens.ends[:end], tokens.words[:end])


def _domain(reader: _Reader, rows: Sequence[Raw]) -> dict[str, list[Labelled]]:
    answers = reader.read([row["text"] for row in rows])

    def labelled(i: int) -> Labelled:
        shares = softmax(answers[i].domain[None], 1.0)[0]
        said = dict(zip(DOMAINS, shares.tolist(), strict=True))
        return Labelled(rows[i]["label"], DOMAINS[int(shares.argmax())], said)

    return {source: [labelled(i) for i in members] for source, members in by_source(rows)}


def _guard(reader: _Reader, rows: Sequence[Raw]) -> dict[str, list[Judged]]:
    """Of sources with both kinds: without an operating point there is only an order."""
    both = [
        (source, members)
        for source, members in by_source(rows)
        if len({rows[i]["label"] == "jailbreak" for i in members}) == 2
    ]
    judged = {}
    for source, members in both:
        answers = reader.read([rows[i]["text"] for i in members])
        judged[source] = [
            Judged(rows[i]["label"] == "jailbreak", float(answer.jailbreak[1] - answer.jailbreak[0]), 0.0)
            for i, answer in zip(members, answers, strict=True)
        ]
    return judged


def _spans(reader: _Reader, rows: Sequence[Raw]) -> dict[str, list[Spanned]]:
    answers = reader.read([row["text"] for row in rows])
    tags = TagReader(TAGS)

    def spanned(i: int) -> Spanned:
        row, answer = rows[i], answers[i]
        annotated = annotated_types(row["labels"])
        heard = find_spans(row["text"], answer.tokens, tags.read(answer.pii), tags.types, {})
        found = tuple((s.start, s.end, s.type) for s in heard if s.type in annotated)
        truth = tuple(span for span in _truth(row, "spans") if span[2] in annotated)
        return Spanned(truth, found, found, _truth(row, "ignore_spans"), annotated)

    return {source: [spanned(i) for i in members] for source, members in by_source(rows)}


def _truth(row: Raw, key: str) -> tuple[Span, ...]:
    given: Sequence[Sequence[Any]] = row.get(key) or ()
    return tuple((int(start), int(end), str(kind)) for start, end, kind in given)


def _pairs(reader: _Reader, rows: Sequence[Raw]) -> dict[str, list[Pair]]:
    texts = sorted({row[side] for row in rows for side in ("a", "b")})
    place = {text: i for i, text in enumerate(texts)}
    vectors: list[NDArray[np.float32]] = [answer.embedding for answer in reader.read(texts)]
    return {
        source: [
            Pair(bool(rows[i]["label"]), float(vectors[place[rows[i]["a"]]] @ vectors[place[rows[i]["b"]]]))
            for i in members
        ]
        for source, members in by_source(rows)
    }
