"""The translation decoder and what it keeps between steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import EncoderDecoderCache

from limbeck.models.dropout import ByteDropout
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig
from limbeck.models.ikd_mmt.layers import Attention, FeedForward

KeysValues = tuple[Tensor, Tensor]


class KeyValueCache(Protocol):
    """Keys and values that the decoder keeps between steps."""

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Add the new positions of a layer's self-attention; gives all so far."""

    def cross(self, layer: int, make: Callable[[], KeysValues]) -> KeysValues:
        """A layer's keys and values over the encoder's states, made once."""


class BeamCache:
    """The cache of this library's own decoder: the beams of a sentence share its cross-attention.

    A layer's keys and values are one tensor, ``(positions, rows, 2, heads, width per head)``: rows are reordered while
    they are copied to where the next position is added, all in one go. No gradient flows through what is kept.
    """

    def __init__(self) -> None:
        self._self: dict[int, Tensor] = {}
        self._pending: dict[int, Tensor] = {}
        self._cross: dict[int, KeysValues] = {}

    @torch.no_grad()
    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Add the new positions of a layer's self-attention; gives all so far."""
        rows, heads, new, size = keys.shape
        past = self._self.get(layer)
        before = 0 if past is None else len(past)
        table = keys.new_empty(before + new, rows, 2, heads, size)
        order = self._pending.pop(layer, None)
        if past is not None and order is not None:
            torch.index_select(past, 1, order, out=table[:before])
        elif past is not None:
            table[:before] = past
        table[before:, :, 0] = keys.permute(2, 0, 1, 3)
        table[before:, :, 1] = values.permute(2, 0, 1, 3)
        self._self[layer] = table
        now_keys, now_values = table.permute(2, 1, 3, 0, 4)
        return now_keys, now_values

    def cross(self, layer: int, make: Callable[[], KeysValues]) -> KeysValues:
        """A layer's keys and values over the encoder's states, made once."""
        if layer not in self._cross:
            self._cross[layer] = make()
        return self._cross[layer]

    def reorder(self, rows: Tensor) -> None:
        """Let row ``i`` of the next step continue row ``rows[i]`` of this one."""
        pending = self._pending
        self._pending = {layer: pending[layer][rows] if layer in pending else rows for layer in self._self}

    def keep_sentences(self, sentences: Tensor) -> None:
        """Drop the cross-attention of sentences that are finished."""
        kept = {}
        for layer, (keys, values) in self._cross.items():
            kept[layer] = keys.index_select(0, sentences), values.index_select(0, sentences)
        self._cross = kept


class TransformersCache:
    """The same over the cache that ``generate()`` of `transformers` hands in."""

    def __init__(self, cache: EncoderDecoderCache) -> None:
        self.cache = cache

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Add the new positions of a layer's self-attention; gives all so far."""
        keys, values = self.cache.self_attention_cache.update(keys, values, layer)
        return keys, values

    def cross(self, layer: int, make: Callable[[], KeysValues]) -> KeysValues:
        """A layer's keys and values over the encoder's states, made once."""
        if not self.cache.is_updated.get(layer):
            keys, values = self.cache.cross_attention_cache.update(*make(), layer)
            self.cache.is_updated[layer] = True
            return keys, values
        kept: Any = self.cache.cross_attention_cache.layers[layer]
        return kept.keys, kept.values


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder's states, feed-forward."""

    def __init__(self, config: IKDMMTConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.self_norm = nn.LayerNorm(config.d_model)
        self.self_attention = Attention(config)
        self.cross_norm = nn.LayerNorm(config.d_model)
        self.cross_attention = Attention(config)
        self.ffn_norm = nn.LayerNorm(config.d_model)
        self.ffn = FeedForward(config)
        self.dropout = ByteDropout(config.dropout)

    def forward(
        self, states: Tensor, memory: Tensor, mask: Tensor, cache: KeyValueCache | None
    ) -> Float[Tensor, "b t d"]:
        """One layer; without a cache over whole targets at once, with one over the newest position."""
        normed = self.self_norm(states)
        keys, values = self.self_attention.keys_values(normed)
        if cache is not None:
            keys, values = cache.append(self.index, keys, values)
        causal = states.shape[1] > 1  # targets are padded on the right, so causality alone hides the padding
        states = states + self.dropout(self.self_attention(normed, keys, values, causal=causal))

        def make() -> KeysValues:
            return self.cross_attention.keys_values(memory)

        keys, values = make() if cache is None else cache.cross(self.index, make)
        states = states + self.dropout(self.cross_attention(self.cross_norm(states), keys, values, mask))
        return states + self.dropout(self.ffn(self.ffn_norm(states)))


class Decoder(nn.Module):
    """A pre-LayerNorm Transformer decoder over embedded targets."""

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.decoder_layers))
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        embedded: Float[Tensor, "b t d"],
        memory: Float[Tensor, "m s d"],
        memory_mask: Bool[Tensor, "m s"],
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "b t d"]:
        """States before the vocabulary projection."""
        mask = memory_mask[:, None, None, :]
        states = embedded
        for layer in self.layers:
            states = layer(states, memory, mask, cache)
        return self.norm(states)
