"""Sinkhorn's iteration on the scalings themselves, with a gradient that costs one matrix product at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def scaled_plan(
    cost: Float[Tensor, "*#batch n m"],
    rows: Float[Tensor, "*#batch #n 1"],
    columns: Float[Tensor, "*#batch #m 1"],
    *,
    epsilon: float,
    iterations: int,
) -> Float[Tensor, "*batch n m"]:
    """The plan ``diag(u) K diag(v)`` with ``K = exp(-cost / epsilon)``, after rounds of ``u = rows / (K v)``,
    ``v = columns / (K' u)`` that begin with ``v = 1``.

    Gradients are those of the rounds, unrolled. A round adds two outer products of vectors to the gradient of ``K``;
    they are added up at the end, as one matrix product of all rounds, and not matrix by matrix. There is no second
    derivative.

    Args:
        cost: Of moving a unit from row to column; over ``epsilon`` it is at most about 30 in float32. A single matrix
            is that of all, and rounds are then products with one matrix.
        rows: Masses.
        columns: Likewise.
        epsilon: Weight of the entropy, in units of the cost.
        iterations: Rounds, at least 1.

    Reference:
        Cuturi, "Sinkhorn Distances", NeurIPS 2013, arXiv 1306.0895.

    Example:
        >>> plan = scaled_plan(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), *torch.ones(2, 1, 1), epsilon=0.05, iterations=9)
        >>> [[round(value, 3) for value in row] for row in plan.tolist()]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    plan: Tensor = _Scaled.apply(cost, rows, columns, epsilon, iterations)
    return plan


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cost: Tensor, rows: Tensor, columns: Tensor, epsilon: float, iterations: int) -> Tensor:
        kernel = (cost * (-1.0 / epsilon)).exp_()
        batch = np.broadcast_shapes(*(given.shape[:-2] for given in (cost, rows, columns)))
        v = cost.new_ones(*batch, cost.shape[-1], 1)
        us, vs, sums_of_rows, sums_of_columns = [], [v], [], []
        for _ in range(iterations):
            sums_of_rows.append(_product(kernel, v))
            us.append(u := rows / sums_of_rows[-1])
            sums_of_columns.append(_product(kernel.mT, u))
            vs.append(v := columns / sums_of_columns[-1])
        ctx.save_for_backward(kernel, *us, *sums_of_rows, *sums_of_columns, *vs)
        ctx.masses, ctx.epsilon, ctx.iterations = (rows.shape, columns.shape), epsilon, iterations
        return u * kernel * v.mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kernel, *kept = ctx.saved_tensors
        rounds = ctx.iterations
        us, sums_of_rows, sums_of_columns, vs = (
            kept[:rounds], kept[rounds : 2 * rounds], kept[2 * rounds : 3 * rounds], kept[3 * rounds :],
        )  # fmt: skip
        weighted = gradient * kernel
        of_u, of_v = weighted @ vs[-1], weighted.mT @ us[-1]
        of_rows, of_columns = torch.zeros_like(of_u), torch.zeros_like(of_v)
        left: list[Tensor] = []
        right: list[Tensor] = []
        for n in reversed(range(rounds)):
            share = of_v / sums_of_columns[n]  # of the columns' masses; times -v, of their sums
            of_columns += share
            of_sum = -share * vs[n + 1]
            left.append(us[n])
            right.append(of_sum)
            of_u = of_u + _product(kernel, of_sum)
            share = of_u / sums_of_rows[n]
            of_rows += share
            of_sum = -share * us[n]
            left.append(of_sum)
            right.append(vs[n])
            of_v = _product(kernel.mT, of_sum)
            of_u = torch.zeros_like(of_u)  # u of an earlier round is known to its own v alone
        of_cost = None
        if ctx.needs_input_grad[0]:
            of_kernel = torch.cat(left, -1) @ torch.cat(right, -1).mT
            of_cost = (weighted * us[-1] * vs[-1].mT).add_(of_kernel.mul_(kernel)).mul_(-1.0 / ctx.epsilon)
            of_cost = of_cost.sum_to_size(kernel.shape)
        return of_cost, of_rows.sum_to_size(ctx.masses[0]), of_columns.sum_to_size(ctx.masses[1]), None, None


def _product(kernel: Tensor, vectors: Tensor) -> Tensor:
    """``kernel @ vectors``, a column each; where many share one kernel, as one product of matrices."""
    if kernel.ndim == vectors.ndim:
        return kernel @ vectors
    return (vectors.squeeze(-1) @ kernel.mT).unsqueeze(-1)
