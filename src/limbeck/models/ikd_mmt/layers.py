"""The Transformer's parts: positions, attention, feed-forward; pre-LayerNorm throughout."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from limbeck.models.dropout import ByteDropout
from limbeck.models.ikd_mmt.configuration import IKDMMTConfig


def sinusoidal_positions(length: int, width: int, *, start: int = 0) -> Float[Tensor, "length width"]:
    """Sinusoidal positions ``start .. start + length - 1``: sines in the first half of the width, cosines in the other.

    Example:
        >>> sinusoidal_positions(2, 4)[0].tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10_000.0) / max(half - 1, 1)))
    angles = torch.arange(start, start + length)[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Positions:
    """Keeps the positions of the longest sequence seen, so that a step adds a slice and computes nothing.

    A plain object and no buffer: positions are a function of the width, and have no place in a checkpoint.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._table: Tensor | None = None  # made at the first call: models are built on the meta device too

    def __call__(self, start: int, length: int, like: Tensor) -> Tensor:
        """Positions ``start .. start + length - 1`` on the device and in the type of ``like``."""
        end = start + length
        if self._table is None or end > len(self._table) or self._table.device != like.device:
            self._table = sinusoidal_positions(max(2 * end, 64), self.width).to(like.device)
        return self._table[start:end].to(like.dtype)


class Attention(nn.Module):
    """Multi-head attention whose keys and values are made apart, so that a decoder can keep them."""

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.heads = config.num_heads
        self.dropout = config.attention_dropout
        self.query = nn.Linear(config.d_model, config.d_model)
        self.key_value = nn.Linear(config.d_model, 2 * config.d_model)
        self.out = nn.Linear(config.d_model, config.d_model)

    def keys_values(self, memory: Float[Tensor, "b s d"]) -> tuple[Tensor, Tensor]:
        """Keys and values of what is attended to, each ``(batch, heads, length, width per head)``."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(
        self,
        states: Float[Tensor, "b t d"],
        keys: Tensor,
        values: Tensor,
        mask: Bool[Tensor, "m 1 #t s"] | None = None,
        *,
        causal: bool = False,
    ) -> Float[Tensor, "b t d"]:
        """Attend from ``states`` to keys and values.

        Args:
            states: The queries' states. Their batch may be a multiple of the keys': the beams of a sentence then share
                its keys and values, which are neither copied nor reordered.
            keys: ``(batch, heads, length, width per head)``.
            values: Likewise.
            mask: True where a query may look.
            causal: Whether a query sees only itself and what is left of it.
        """
        batch, length, width = states.shape
        query = self.query(states)
        beams = batch // keys.shape[0]
        if beams > 1:
            query = query.view(keys.shape[0], beams * length, width)
        mixed = F.scaled_dot_product_attention(
            self._split(query),
            keys,
            values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))

    def _split(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        return states.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, config: IKDMMTConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.ffn_dim)
        self.down = nn.Linear(config.ffn_dim, config.d_model)
        self.dropout = ByteDropout(config.activation_dropout)

    def forward(self, states: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """Apply the layers position by position."""
        return self.down(self.dropout(F.relu(self.up(states))))
