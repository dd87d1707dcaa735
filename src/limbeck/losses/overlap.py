"""L1 distances between all pairs of distributions of two batches."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

WIDE = 128
"""Classes from which on, on a CPU, distances are got by overlaps: below, ``torch.cdist`` is as fast or faster."""


def l1_distances(q: Float[Tensor, "n classes"], p: Float[Tensor, "m classes"]) -> Float[Tensor, "n m"]:
    """``|q_i - p_j|_1`` for all pairs of rows, each of which sums to 1.

    Where classes are many, as ``2 - 2 sum_k min(q_ik, p_jk)``: the same for distributions, with half of the arithmetic
    and no loop over pairs in ``torch.cdist`` (two to three times as fast on one core, with the gradient). Its gradient
    is that of the L1 distance up to a number that a row's classes share, which is lost in the softmax that a
    distribution comes from. There is no second derivative.

    Args:
        q: Distributions.
        p: Others; or the same, for distances within a batch.

    Example:
        >>> l1_distances(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
        tensor([[0., 1.]])
    """
    if q.device.type != "cpu" or q.shape[-1] < WIDE:
        return torch.cdist(q, p, p=1.0)
    overlaps: Tensor = _Overlaps.apply(q, p)
    return 2.0 - 2.0 * overlaps


class _Overlaps(torch.autograd.Function):
    """``sum_k min(q_ik, p_jk)``, a row at a time, so that no more than one batch is held beside them."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, p: Tensor) -> Tensor:
        ctx.save_for_backward(q, p)
        overlaps, least = q.new_empty(len(q), len(p)), torch.empty_like(p)
        for row, overlap in zip(q, overlaps, strict=True):
            torch.sum(torch.minimum(p, row, out=least), -1, out=overlap)
        return overlaps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        q, p = ctx.saved_tensors
        of_q = _of_the_lesser(q, p, gradient) if ctx.needs_input_grad[0] else None
        of_p = _of_the_lesser(p, q, gradient.mT) if ctx.needs_input_grad[1] else None
        return of_q, of_p


def _of_the_lesser(rows: Tensor, others: Tensor, gradient: Tensor) -> Tensor:
    """What the overlaps' gradient gives to those classes of each row that are less than the other's."""
    given, lesser = torch.empty_like(rows), torch.empty_like(others)
    for row, weights, out in zip(rows, gradient, given, strict=True):
        torch.mv(torch.lt(row, others, out=lesser).mT, weights, out=out)
    return given
