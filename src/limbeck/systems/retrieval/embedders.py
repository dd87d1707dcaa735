"""Comparers of two sentences: one reads both together, the other makes a vector of each."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.systems.retrieval.pairs import SEP, TOKENS
from limbeck.systems.retrieval.rankers import WIDTH, tiny_bert

HEAD = 64
"""Width of the network over two vectors; the paper has 512 beside vectors of 4,096, here they have 192."""
Pooling = Literal["mean", "cls"]
Head = Literal["concat", "dot"]


def read_before() -> Any:
    """A tiny BERT whose synonyms are alike from the start, which stands for pre-training."""
    encoder = tiny_bert(TOKENS)
    with torch.no_grad():
        words = encoder.embeddings.word_embeddings.weight
        half = TOKENS // 2
        words[half:] = 0.8 * words[:half] + 0.6 * words[half:]
    return encoder


class CrossComparer(nn.Module):
    """Reads both sentences together and says whether they mean the same."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.output = read_before(), nn.Linear(WIDTH, 2)

    def forward(self, first: Int[Tensor, "b words"], second: Int[Tensor, "b more"]) -> Float[Tensor, "b 2"]:
        """Logits of "another meaning" and "the same"; either sentence begins with a mark."""
        second = torch.cat([torch.full_like(second[:, :1], SEP), second[:, 1:]], dim=1)
        ids, widths = torch.cat([first, second], dim=1), (first.shape[1], second.shape[1])
        places = torch.cat([torch.arange(width, device=ids.device) for width in widths])
        types = torch.cat([torch.full((width,), side, device=ids.device) for side, width in enumerate(widths)])
        mask = ids != 0
        states = self.encoder(
            input_ids=ids,
            attention_mask=mask.long(),
            token_type_ids=types.expand_as(ids),
            position_ids=places.expand_as(ids),
        ).last_hidden_state
        return self.output(_mean(states, mask))


class SiameseComparer(nn.Module):
    """Makes a vector of each sentence, which can be kept, and compares two vectors by a small head.

    The vector is made of all hidden states, those of the embedding and of both layers; the paper takes the last four of
    many.

    Args:
        head: ``"concat"``, a network over ``(u, v, u * v, |u - v|)``, or ``"dot"``, their dot product.
        pooling: The mean over words, or the state of the first mark.
    """

    def __init__(self, *, head: Head = "concat", pooling: Pooling = "mean") -> None:
        super().__init__()
        self.encoder, self.pooling = read_before(), pooling
        width = WIDTH * (1 + self.encoder.config.num_hidden_layers)
        if head == "concat":
            self.head: nn.Module = nn.Sequential(nn.Linear(4 * width, HEAD), nn.ReLU(), nn.Linear(HEAD, 2))
        else:
            self.head = _Dot(width)

    def embed(self, sentences: Int[Tensor, "b words"]) -> Float[Tensor, "b width"]:
        """The vectors of sentences."""
        mask = sentences != 0
        states = self.encoder(input_ids=sentences, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        return torch.cat([layer[:, 0] if self.pooling == "cls" else _mean(layer, mask) for layer in states], dim=-1)

    def compare(self, u: Float[Tensor, "b width"], v: Float[Tensor, "b width"]) -> Float[Tensor, "b 2"]:
        """Logits for vectors."""
        return self.head(torch.cat([u, v, u * v, (u - v).abs()], dim=-1))

    def forward(self, first: Int[Tensor, "b words"], second: Int[Tensor, "b more"]) -> Float[Tensor, "b 2"]:
        """Logits of "another meaning" and "the same"."""
        return self.compare(self.embed(first), self.embed(second))


class _Dot(nn.Module):
    """One score for both classes: a scaled dot product and an offset."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.scale, self.offset = nn.Parameter(torch.tensor(width**-0.5)), nn.Parameter(torch.zeros(()))

    def forward(self, compared: Tensor) -> Tensor:
        dot = compared[:, 2 * self.width : 3 * self.width].sum(-1)
        score = self.scale * dot + self.offset
        return torch.stack([-score, score], dim=-1) / 2


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
