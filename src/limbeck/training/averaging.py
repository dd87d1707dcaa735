"""The mean of the weights of several checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from limbeck.errors import LimbeckError


def average_weights(states: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Average weights, adding in float64 and one state at a time.

    Args:
        states: Tensors by name, in the order in which they were made; the names and shapes are the same in each.

    Returns:
        The mean of each floating-point tensor, in its own type; of the others (counters) the last.

    Raises:
        LimbeckError: There is no state, or the names differ.

    Example:
        >>> states = [{"weight": torch.tensor([1.0])}, {"weight": torch.tensor([2.0])}]
        >>> average_weights(iter(states))["weight"]
        tensor([1.5000])
    """
    sums: dict[str, Tensor] = {}
    last: Mapping[str, Tensor] = {}
    number = 0
    for number, last in enumerate(states, start=1):
        if number > 1 and last.keys() != sums.keys():
            raise LimbeckError(f"the states differ in {sorted(last.keys() ^ sums.keys())[:5]}")
        for name, value in last.items():
            if value.is_floating_point() and number > 1:
                sums[name] += value
            else:
                sums[name] = value.to(torch.float64, copy=True) if value.is_floating_point() else value.clone()
    if not number:
        raise LimbeckError("there are no weights to average")
    return {
        name: (total / number).to(last[name].dtype) if last[name].is_floating_point() else total
        for name, total in sums.items()
    }
