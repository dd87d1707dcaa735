"""Dropout whose random numbers cost little on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 256


class ByteDropout(nn.Dropout):
    """Dropout that draws one random byte a value on CPUs, where drawing is what dropout costs.

    A byte has 256 levels, so there the probability is rounded to the nearest multiple of 1/256 (0.3 becomes 0.3008),
    and the scale of what is kept follows the rounded one: the expectation stays exact. On other devices this is
    ``torch.nn.Dropout``.

    Example:
        >>> dropout = ByteDropout(0.5).train()
        >>> sorted(set(dropout(torch.ones(64)).tolist()))
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop and scale in training mode; the identity in eval mode."""
        if not self.training or self.p == 0.0:
            return input
        if input.device.type != "cpu":
            return F.dropout(input, self.p, True)
        dropped = round(self.p * LEVELS)
        words = torch.empty(-(-input.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: input.numel()].view(input.shape) >= dropped
        return _Masked.apply(input, keep, LEVELS / (LEVELS - dropped) if dropped < LEVELS else 0.0)


class _Masked(torch.autograd.Function):
    """``input * keep * scale`` that keeps the one-byte mask and nothing else for its backward pass."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, keep: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(keep)
        ctx.scale = scale
        return (input * keep).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (keep,) = ctx.saved_tensors
        return (grad_outputs[0] * keep).mul_(ctx.scale), None, None
