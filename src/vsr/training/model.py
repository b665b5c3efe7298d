"""The network: one BERT trunk, six heads, one pass.

Heads read the layers at each third of the depth (2, 4 and 6 of MiniLM-L6), since fine-tuning narrows what
the last one knows while the middle ones keep what the base had learnt. Shapes: B texts, T tokens, H = 384.
This module holds no data handling and no losses.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from vsr.training.labels import DOMAINS, FACT_CHECK, FEEDBACK, JAILBREAK, TAGS

SMALL_HIDDEN = 64
"""Enough for what a user asks for: the labels are few."""
VIEW = 384
"""The width of multilingual-e5-small."""

Outputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""In the order of `engine.OUTPUTS`."""


class Reading(NamedTuple):
    """What the heads read: of tokens (B, T, layers * H), of whole texts (B, F); and the embedding (B, H)."""

    tokens: Tensor
    pooled: Tensor
    embedding: Tensor


class SequenceHead(nn.Module):
    """Logits for a whole text: (B, F) -> (B, labels)."""

    def __init__(self, features: int, labels: int, hidden: int = 256) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.dropout = nn.Dropout(0.2)
        self.inner = nn.Linear(features, hidden)
        self.outer = nn.Linear(hidden, labels)

    def forward(self, features: Tensor) -> Tensor:
        inner = nn.functional.gelu(self.inner(self.dropout(self.norm(features))))
        logits: Tensor = self.outer(self.dropout(inner))
        return logits


class View(nn.Module):
    """(B, F) -> (B, VIEW)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.linear = nn.Linear(features, VIEW)

    def forward(self, features: Tensor) -> Tensor:
        view: Tensor = self.linear(self.norm(features))
        return view


def with_linear(head: SequenceHead, norm: nn.LayerNorm, weight: Tensor, bias: Tensor) -> SequenceHead:
    """A head of two labels whose second logit has `weight @ norm(features) + bias` (F,) added, and which is
    otherwise the one given: of two more hidden units one reads that sum and one its negative, and
    gelu(x) - gelu(-x) = x."""
    features, hidden = head.inner.in_features, head.inner.out_features
    more = SequenceHead(features, head.outer.out_features, hidden + 2)
    more.norm.load_state_dict(head.norm.state_dict())
    with torch.no_grad():
        # as the head's own norm gives the features: both only scale and shift the same numbers
        own = weight * norm.weight / head.norm.weight
        shift = bias + weight @ norm.bias - own @ head.norm.bias
        more.inner.weight.copy_(torch.cat([head.inner.weight, own[None], -own[None]]))
        more.inner.bias.copy_(torch.cat([head.inner.bias, shift[None], -shift[None]]))
        added = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
        more.outer.weight.copy_(torch.cat([head.outer.weight, added], dim=1))
        more.outer.bias.copy_(head.outer.bias)
    more.train(head.training)
    return more


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
        self.view: View | None = None
        """While it is trained alone (`learn_view`)."""

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

    def learn_view(self) -> None:
        """Adds the layer that says what `distil` has written of a text: (B, F) -> (B, VIEW)."""
        pooled = len(self.reads) * 3 * self.trunk.config.hidden_size
        self.view = View(pooled)

    def guard_by_view(self, weights: Tensor, bias: float, own: float) -> None:
        """Makes the guard's log-odds `own` times its own plus `weights @ view + bias`, and drops the view."""
        assert self.view is not None
        read = self.view.linear
        with torch.no_grad():
            self.jailbreak.outer.weight.mul_(own)
            self.jailbreak.outer.bias.mul_(own)
            weight, shift = weights @ read.weight, weights @ read.bias + bias
        self.jailbreak = with_linear(self.jailbreak, self.view.norm, weight, shift)
        self.view = None

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Outputs:
        return self.heads(self.read(input_ids, attention_mask))

    def read(self, input_ids: Tensor, attention_mask: Tensor) -> Reading:
        states = self.layers(input_ids, attention_mask)
        mask = attention_mask[:, :, None].to(torch.float32)
        means = [mean_pool(state, mask) for state in states]
        maxima = [(state - (1.0 - mask) * 1e4).amax(dim=1) for state in states]
        pooled = torch.cat([*means, *maxima, *(state[:, 0] for state in states)], dim=1)
        return Reading(torch.cat(states, dim=2), pooled, nn.functional.normalize(means[-1], dim=1))

    def heads(self, reading: Reading) -> Outputs:
        return (
            self.domain(reading.pooled),
            self.jailbreak(reading.pooled),
            self.pii(reading.tokens),
            reading.embedding,
            self.fact_check(reading.pooled),
            self.feedback(reading.pooled),
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
