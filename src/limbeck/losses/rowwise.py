"""Losses of rows that are independent of each other, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.losses.term import Term

_ONCE: ContextVar[bool] = ContextVar("once", default=False)

RowFunction = Callable[..., Tensor]
"""From tensors whose first axis is rows to one value a row. It treats each row by itself."""

BLOCK = {"cpu": 2**18, "cuda": 2**26}
"""Elements of the widest tensor in a block: on a CPU what its cache holds, elsewhere enough to keep it busy."""


def rowwise_term(function: RowFunction, tensors: Sequence[Tensor], mask: Tensor | None = None) -> Term:
    """Sum a function of rows over those that count, and hold what it computes for one block of rows at a time.

    The gradient of a row is known as soon as its value is, so it is taken in the forward pass, while the block is in
    the cache; the backward pass only scales it. Beside the inputs, one tensor of their size is held for each input that
    learns, and none without gradients. Rows that do not count are never read.

    Args:
        function: From the tensors' rows, each cast to float32 at least, to one value a row.
        tensors: Each ``(*positions, ...)`` with the same positions; gradients flow into those that require them.
        mask: Boolean, of the shape of the positions; ``None`` counts all.

    Returns:
        The sum over rows that count, and their number.
    """
    lead = tensors[0].shape[:-1] if mask is None else mask.shape
    flat = [tensor.reshape(-1, *tensor.shape[len(lead) :]) for tensor in tensors]
    rows = None if mask is None else mask.reshape(-1).nonzero().squeeze(1)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in flat):
        return Term.over(_Rowwise.apply(function, rows, *flat))
    return Term.over(_values(function, rows, flat, [None] * len(flat)))


@contextmanager
def gradients_once() -> Iterator[None]:
    """What is computed within is differentiated once at most, so that kept gradients may be handed out uncopied."""
    token = _ONCE.set(True)
    try:
        yield
    finally:
        _ONCE.reset(token)


def _values(
    function: RowFunction, rows: Tensor | None, tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> Tensor:
    """One value a row that counts; gradients are written where there is room for them."""
    number = len(tensors[0]) if rows is None else len(rows)
    width = max(tensor.shape[1:].numel() for tensor in tensors)
    block = max(1, BLOCK.get(tensors[0].device.type, BLOCK["cuda"]) // max(1, width))
    wide = torch.promote_types(tensors[0].dtype, torch.float32)
    values = tensors[0].new_empty(number, dtype=wide)
    for start in range(0, number, block):
        at = slice(start, min(start + block, number))
        where: Any = at if rows is None else rows[at]
        inputs = [tensor.detach()[where] for tensor in tensors]
        inputs = [part.to(wide) if part.is_floating_point() else part for part in inputs]
        learning = [part.requires_grad_() for part, room in zip(inputs, gradients, strict=True) if room is not None]
        with torch.set_grad_enabled(bool(learning)):
            found = function(*inputs)
        values[at] = found.detach()
        if learning:
            grads = iter(torch.autograd.grad(found, learning, torch.ones_like(found), materialize_grads=True))
            for room in gradients:
                if room is not None:
                    room[where] = next(grads).to(room.dtype)
    return values


class _Rowwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: RowFunction, rows: Tensor | None, *tensors: Tensor) -> Tensor:
        make = torch.empty_like if rows is None else torch.zeros_like
        gradients = [
            make(tensor) if needed else None for tensor, needed in zip(tensors, ctx.needs_input_grad[2:], strict=True)
        ]
        values = _values(function, rows, tensors, gradients)
        ctx.rows, ctx.once = rows, _ONCE.get() and tensors[0].device.type == "cpu"
        ctx.save_for_backward(*gradients)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = grad_outputs
        if ctx.once and scale.stride() == (0,) and len(scale) and float(scale[0]) == 1.0:
            return None, None, *ctx.saved_tensors
        scaled: list[Tensor | None] = []
        for gradient in ctx.saved_tensors:
            if gradient is None:
                scaled.append(None)
                continue
            whole = scale
            if ctx.rows is not None:
                whole = scale.new_zeros(len(gradient)).index_copy_(0, ctx.rows, scale)
            shape = (-1,) + (1,) * (gradient.dim() - 1)
            scaled.append(gradient * whole.view(shape).to(gradient.dtype))
        return None, None, *scaled
