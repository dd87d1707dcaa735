"""The multimodal encoder: all positions ask, only the text answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from limbeck.models.dropout import ByteDropout
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.inverse import InverseNetwork
from limbeck.models.ikd_mmt.layers import Attention, FeedForward, Positions


@dataclass
class EncoderOutput(ModelOutput):
    """What the encoder gives.

    Args:
        last_hidden_state: States of the text and the visual tokens, ``(batch, source + visual, width)``.
        mask: True where the decoder may look, ``(batch, source + visual)``.
        sentence: The sentence vector that the inverse network starts from, ``(batch, width)``.
        top_map: The generated top map, ``(batch, channels, height, width)``, if the model generates one.
    """

    last_hidden_state: Tensor | None = None
    mask: Tensor | None = None
    sentence: Tensor | None = None
    top_map: Tensor | None = None


class EncoderLayer(nn.Module):
    """Attention from all positions to the text, then a feed-forward layer."""

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.ffn_norm = nn.LayerNorm(config.d_model)
        self.ffn = FeedForward(config)
        self.dropout = ByteDropout(config.dropout)

    def forward(self, states: Tensor, text: Tensor, mask: Tensor) -> Float[Tensor, "b t d"]:
        """Update all positions; ``text`` is what keys and values are made of, normalised by this layer's own norm."""
        keys, values = self.attention.keys_values(self.attention_norm(text))
        states = states + self.dropout(self.attention(self.attention_norm(states), keys, values, mask))
        return states + self.dropout(self.ffn(self.ffn_norm(states)))


class VisualTokens(nn.Module):
    """Turns a feature map into tokens of the translator's width, a token a place."""

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.grid = config.visual_grid
        self.projection = nn.Linear(config.maps[-1].channels, config.d_model)
        self.dropout = ByteDropout(config.dropout)

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b places d"]:
        """Pool to the grid where one is set, then project every place."""
        if self.grid is not None and max(features.shape[-2:]) > self.grid:
            height, width = features.shape[-2:]
            features = F.adaptive_avg_pool2d(features, (min(self.grid, height), min(self.grid, width)))
        return self.dropout(self.projection(features.flatten(2).transpose(1, 2)))


class MultimodalEncoder(nn.Module):
    """Embeds the sentence, finds its visual tokens and encodes both.

    Queries are all positions; keys and values are the text alone (Yao and Wan, 2020). Visual positions read the text,
    the text never reads them: what they carry reaches the translation through the decoder.

    Reference:
        Peng et al., "Distill the Image to Nowhere", EMNLP 2022, arXiv 2210.04468.
    """

    main_input_name = "input_ids"

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.config = config
        self.pad = config.pad_token_id or 0
        self.embedding = nn.Embedding(config.vocab_size, config.d_model, padding_idx=config.pad_token_id)
        self.scale = math.sqrt(config.d_model)
        self.positions = Positions(config.d_model)
        self.dropout = ByteDropout(config.dropout)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.inverse = InverseNetwork(config) if config.visual == "generated" else None
        self.visual_tokens = VisualTokens(config) if config.visual_tokens else None

    def embed(self, ids: Int[Tensor, "b t"], start: int = 0) -> Float[Tensor, "b t d"]:
        """Scaled embeddings plus positions, with dropout; the decoder uses them too."""
        embedded = self.embedding(ids) * self.scale
        return self.dropout(embedded + self.positions(start, ids.shape[1], embedded))

    def forward(
        self,
        input_ids: Int[Tensor, "b s"],
        attention_mask: Tensor | None = None,
        visual_features: Float[Tensor, "b c h w"] | None = None,
        visual_mask: Bool[Tensor, " b"] | None = None,
        **unused: Any,
    ) -> EncoderOutput:
        """Encode sentences.

        Args:
            input_ids: Source tokens, padded on the right.
            attention_mask: True (or 1) at tokens; by default where the token is not padding.
            visual_features: Top maps of real pictures; needed where ``visual="given"``, refused elsewhere.
            visual_mask: True where the sentence has a picture; the decoder does not see the visual tokens of others.
            unused: Other arguments of ``generate()``, ignored.

        Raises:
            ValueError: If visual features are missing or not wanted, or a sentence has no token.
        """
        mask = input_ids.ne(self.pad) if attention_mask is None else attention_mask.bool()
        text = self.embed(input_ids)
        counted = mask.unsqueeze(-1)
        sentence = text.masked_fill(~counted, 0.0).sum(1) / counted.sum(1).clamp(min=1)
        top_map = self._top_map(sentence, visual_features)

        states, seen = text, mask
        if self.visual_tokens is not None and top_map is not None:
            visual = self.visual_tokens(top_map)
            states = torch.cat([text, visual], dim=1)
            shown = mask.new_ones(mask.shape[0]) if visual_mask is None else visual_mask.bool()
            seen = torch.cat([mask, shown.unsqueeze(1).expand(-1, visual.shape[1])], dim=1)

        length = text.shape[1]
        attention = mask[:, None, None, :]
        for layer in self.layers:
            states = layer(
                states,
                text if self.config.kv == "input" else states[:, :length] if states is not text else text,
                attention,
            )
        generated = top_map if self.inverse is not None else None
        return EncoderOutput(last_hidden_state=self.norm(states), mask=seen, sentence=sentence, top_map=generated)

    def _top_map(self, sentence: Tensor, given: Tensor | None) -> Tensor | None:
        if self.inverse is not None:
            if given is not None:
                raise ValueError("this model generates its visual features; it takes no visual_features")
            return self.inverse.top(sentence)
        if self.config.visual == "given":
            if given is None:
                raise ValueError("this model reads pictures (visual='given'): visual_features are missing")
            return given
        if given is not None:
            raise ValueError(f"a model with visual={self.config.visual!r} takes no visual_features")
        return None
