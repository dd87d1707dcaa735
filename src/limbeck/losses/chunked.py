"""Losses over a large vocabulary, a chunk of positions at a time: logits of the whole batch never exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

ChunkLoss = Callable[[Tensor, slice], Tensor]
"""From the logits of a chunk, ``(..., chunk, vocab)``, and its slice of positions to the sum of its losses."""


def chunked_linear_sum(
    hidden: Float[Tensor, "*views positions width"],
    weight: Float[Tensor, "vocab width"],
    function: ChunkLoss,
    *,
    chunk: int = 256,
) -> Float[Tensor, ""]:
    """Project hidden states to logits, sum a loss over all positions, and hold one chunk of logits at a time.

    The gradient of a sum is known as soon as a chunk's logits are, so it is taken in the forward pass, while they are
    in the cache; the backward pass only scales it.

    Args:
        hidden: States before the projection; leading axes (two dropout passes, say) go through ``function`` together.
        weight: The projection, as in ``torch.nn.functional.linear``.
        function: The summed loss of a chunk. What it reads besides the logits gets no gradient.
        chunk: Positions a chunk.

    Returns:
        The sum over all positions, with gradients to ``hidden`` and ``weight``.

    Raises:
        ValueError: If ``chunk`` is not positive.

    Example:
        >>> import torch
        >>> hidden, weight = torch.randn(10, 4), torch.randn(7, 4)
        >>> total = chunked_linear_sum(hidden, weight, lambda logits, at: logits.square().sum(), chunk=3)
        >>> torch.allclose(total, (hidden @ weight.T).square().sum())
        True
    """
    if chunk < 1:
        raise ValueError(f"chunk must be positive, got {chunk}")
    if not torch.is_grad_enabled():
        slices = _slices(hidden.shape[-2], chunk)
        return sum((function(F.linear(hidden[..., at, :], weight), at) for at in slices), hidden.new_zeros(()))
    return _ChunkedLinearSum.apply(hidden, weight, function, chunk)


class _ChunkedLinearSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, function: ChunkLoss, chunk: int) -> Tensor:
        total = hidden.new_zeros(())
        grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        for at in _slices(hidden.shape[-2], chunk):
            part = hidden[..., at, :]
            logits = F.linear(part, weight).requires_grad_()
            with torch.enable_grad():
                value = function(logits, at)
                (grad,) = torch.autograd.grad(value, logits)
            total += value.detach()
            grad_hidden[..., at, :] = grad @ weight
            flat_grad, flat_part = grad.flatten(0, -2), part.flatten(0, -2)
            grad_weight.addmm_(flat_grad.T, flat_part)
        ctx.save_for_backward(grad_hidden, grad_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        (scale,) = grad_outputs
        return grad_hidden * scale, grad_weight * scale, None, None


def _slices(positions: int, chunk: int) -> list[slice]:
    return [slice(start, min(start + chunk, positions)) for start in range(0, positions, chunk)]
