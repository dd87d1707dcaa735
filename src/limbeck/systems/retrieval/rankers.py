"""Tiny rankers: a cross-encoder, a bi-encoder, and late interaction."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from limbeck.losses.term import Term

WIDTH = 64


def tiny_bert(tokens: int, *, layers: int = 2, width: int = WIDTH) -> Any:
    """A small BERT that begins by attending to what is alike.

    Keys start as queries do, so that a token attends to itself and its like on the other side; without this, thousands
    of steps go into finding out that matching words matter, which a pre-trained model knows.

    Args:
        tokens: Of the vocabulary; 0 is padding.
        layers: How many.
        width: Of hidden states.
    """
    config = BertConfig(
        vocab_size=tokens,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=64,
        initializer_range=0.1,
        pad_token_id=0,
    )
    model: Any = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.normal_()
        model.embeddings.position_embeddings.weight.zero_()
        model.embeddings.token_type_embeddings.weight.normal_(std=0.5)
        for layer in model.encoder.layer:
            layer.attention.self.key.weight.copy_(layer.attention.self.query.weight)
    return model


class CrossRanker(nn.Module):
    """Reads query and document together; slow, since nothing of a document can be kept.

    Args:
        tokens: Of the vocabulary; two more are added that mark where either begins.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.encoder, self.score = tiny_bert(tokens + 2), nn.Linear(WIDTH, 1)

    def forward(self, queries: Int[Tensor, "b words"], documents: Int[Tensor, "b n more"]) -> Float[Tensor, "b n"]:
        """Scores of each query's documents."""
        batch, number, _ = documents.shape
        asked = queries.unsqueeze(1).expand(batch, number, -1)
        marks = asked.new_full((batch, number, 1), self.tokens)
        ids = torch.cat([marks, asked, marks + 1, documents], dim=-1).flatten(0, 1)
        types = (torch.arange(ids.shape[1], device=ids.device) > asked.shape[-1]).long().expand_as(ids)
        states = self.encoder(input_ids=ids, attention_mask=(ids != 0).long(), token_type_ids=types).last_hidden_state
        return self.score(states[:, 0]).view(batch, number)


class TwoTowers(nn.Module):
    """Encodes query and document apart with one encoder; documents can be encoded beforehand.

    Args:
        tokens: Of the vocabulary.
        late: Late interaction: for each word of the query the dot product with the likest word of the document,
            summed. Off: the dot product of mean states.
    """

    def __init__(self, tokens: int, *, late: bool) -> None:
        super().__init__()
        self.encoder, self.late = tiny_bert(tokens), late

    def encode(self, ids: Int[Tensor, "b words"]) -> tuple[Float[Tensor, "b words width"], Bool[Tensor, "b words"]]:
        """States and where there is a word; of a bi-encoder one state, the mean."""
        mask = ids != 0
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        if self.late:
            return states, mask
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1), mask[:, :1]

    def compare(self, query: tuple[Tensor, Tensor], document: tuple[Tensor, Tensor]) -> Float[Tensor, "b n"]:
        """Scores of encoded documents, ``(b, n, words, width)``, for encoded queries, ``(b, words, width)``."""
        (asked, real), (told, there) = query, document
        alike = torch.einsum("bqw,bndw->bnqd", asked, told).masked_fill(~there.unsqueeze(2), -1e4)
        return (alike.amax(-1) * real.unsqueeze(1)).sum(-1)

    def forward(self, queries: Int[Tensor, "b words"], documents: Int[Tensor, "b n more"]) -> Float[Tensor, "b n"]:
        """Scores of each query's documents."""
        states, mask = self.encode(documents.flatten(0, 1))
        told = states.unflatten(0, documents.shape[:2]), mask.unflatten(0, documents.shape[:2])
        return self.compare(self.encode(queries), told)


def ranknet(scores: Float[Tensor, "b n"], relevant: Int[Tensor, " b"]) -> Term:
    """``log(1 + exp(-(s+ - s-)))`` for the labelled document and each other one.

    Args:
        scores: Of all documents.
        relevant: Which of them is labelled.

    Reference:
        Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """
    others = torch.ones_like(scores, dtype=torch.bool).scatter(1, relevant.unsqueeze(1), False)
    margins = scores.gather(1, relevant.unsqueeze(1)) - scores
    return Term.over(nn.functional.softplus(-margins), others)
