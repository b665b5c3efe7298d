"""The network: one BERT trunk, six heads, one pass.

Heads read the layers at each third of the depth (2, 4 and 6 of MiniLM-L6), since fine-tuning narrows what
the last one knows while the middle ones keep what the base had learnt. The embedding is the mean of the last
layer, as the base's is, plus a linear map of the means of all that are read: it starts at nothing, and leaves
the last layer room for the other heads. Shapes: B texts, T tokens, H = 384.
This module holds no data handling and no losses.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, JAILBREAK, TAGS

HIDDEN = 256
SMALL_HIDDEN = 64
"""Enough for what a user asks for: the labels are few."""

Outputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""In the order of `engine.OUTPUTS`."""


class SequenceHead(nn.Module):
    """Logits for a whole text: (B, F) -> (B, labels)."""

    def __init__(self, features: int, labels: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.dropout = nn.Dropout(0.2)
        self.inner = nn.Linear(features, hidden)
        self.outer = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        inner = nn.functional.gelu(self.inner(self.dropout(self.norm(features))))
        logits: Tensor = self.outer(self.dropout(inner))
        return logits


class Network(nn.Module):
    """`forward(input_ids, attention_mask)`, both (B, T) int64, gives domain (B, 14), jailbreak (B, 2),
    pii (B, T, 37) logits, embedding (B, H) unit vectors, fact_check (B, 2) and feedback (B, 5) logits."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.trunk = BertModel(config, add_pooling_layer=False)
        self.reads = read_layers(config.num_hidden_layers)
        hidden = config.hidden_size
        pooled = len(self.reads) * 3 * hidden
        self.domain = SequenceHead(pooled, len(DOMAINS))
        self.jailbreak = SequenceHead(pooled, len(JAILBREAK))
        self.pii = SequenceHead(len(self.reads) * hidden, len(TAGS))
        self.fact_check = SequenceHead(pooled, len(FACT_CHECK), SMALL_HIDDEN)
        self.feedback = SequenceHead(pooled, len(FEEDBACK), SMALL_HIDDEN)
        self.space = nn.Linear(len(self.reads) * hidden, hidden, bias=False)
        nn.init.zeros_(self.space.weight)

    def layers(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """The hidden states after each of the layers that are read, each (B, T, H)."""
        bias = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
        state: Tensor = self.trunk.embeddings(input_ids=input_ids)
        states = []
        for number, layer in enumerate(self.trunk.encoder.layer, start=1):
            state = layer(state, bias)
            if number in self.reads:
                states.append(state)
        return states

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Outputs:
        states = self.layers(input_ids, attention_mask)
        mask = attention_mask[:, :, None].to(torch.float32)
        means = [mean_pool(state, mask) for state in states]
        maxima = [(state - (1.0 - mask) * 1e4).amax(dim=1) for state in states]
        pooled = torch.cat([*means, *maxima, *(state[:, 0] for state in states)], dim=1)
        embedding = nn.functional.normalize(means[-1] + self.space(torch.cat(means, dim=1)), dim=1)
        return (
            self.domain(pooled),
            self.jailbreak(pooled),
            self.pii(torch.cat(states, dim=2)),
            embedding,
            self.fact_check(pooled),
            self.feedback(pooled),
        )


def read_layers(depth: int) -> tuple[int, ...]:
    """The layers, counted from 1, at each third of a trunk: 2, 4 and 6 of six, 1 and 2 of two."""
    return tuple(sorted({math.ceil(depth * third / 3) for third in (1, 2, 3)}))


def mean_pool(state: Tensor, mask: Tensor) -> Tensor:
    """(B, T, H), (B, T, 1) -> (B, H): the mean over real tokens."""
    return (state * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)


def base_network(
    base: Path, vocabulary_size: int, seed: int, attention: str = "sdpa", layers: int | None = None
) -> Network:
    """The base weights of `base` (Hugging Face layout), its vocabulary grown to `vocabulary_size`, its first
    `layers` layers (None: all).

    New rows start at the mean of the base's own CJK rows plus noise of the embeddings' scale. The
    trunk has no dropout: one pass over the data overfits little, and it costs a fifth of the time.
    """
    torch.manual_seed(seed)
    depth = {} if layers is None else {"num_hidden_layers": layers}
    trunk = BertModel.from_pretrained(
        base,
        add_pooling_layer=False,
        attn_implementation=attention,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **depth,
    )
    known = trunk.config.vocab_size
    if vocabulary_size > known:
        trunk.resize_token_embeddings(vocabulary_size, mean_resizing=False)
        rows = trunk.embeddings.word_embeddings.weight
        with torch.no_grad():
            noise = torch.randn(vocabulary_size - known, rows.shape[1]) * rows[:known].std()
            rows[known:] = rows[cjk_rows(base)].mean(dim=0) + 0.5 * noise
    network = Network(trunk.config)
    network.trunk = trunk
    return network


def cjk_rows(base: Path) -> list[int]:
    """Vocabulary rows of the base that are single Chinese characters."""
    lines = (base / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [row for row, token in enumerate(lines) if len(token) == 1 and "一" <= token <= "鿿"]
