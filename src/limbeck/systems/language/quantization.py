"""Weights and activations as if they had few bits, so that a model can be trained to do with them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers.pytorch_utils import Conv1D

from limbeck.models.size import parameters_of

_FULL = 16  # bits of what is not quantised, as it would be stored


def rounded(values: Tensor, bits: int, dim: int) -> Tensor:
    """Values rounded to ``2^bits - 1`` symmetric levels; the gradient goes straight through.

    Args:
        values: Any shape.
        bits: At least 2.
        dim: The axis that shares one scale, so that its largest value is the last level.

    Example:
        >>> rounded(torch.tensor([[-1.0, -0.4, 0.2, 0.9]]), 2, 1).tolist()
        [[-1.0, 0.0, 0.0, 1.0]]
    """
    most = 2 ** (bits - 1) - 1
    scale = values.detach().abs().amax(dim, keepdim=True).clamp(min=1e-12) / most
    whole = (values.detach() / scale).round() * scale
    return values + (whole - values.detach())


class _Rounded(nn.Module):
    """A weight ``(in, out)`` with one scale an output."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: Tensor) -> Tensor:
        return rounded(weight, self.bits, 0)


def quantize(model: Any, bits: int, *, activation_bits: int = 8) -> Any:
    """Round the weights of a GPT-2's blocks an output channel, and what comes into them a word; embeddings stay.

    The model is changed in place. Its own weights stay whole and learn; what it computes with is rounded.

    Args:
        model: A GPT-2.
        bits: Of weights.
        activation_bits: Of activations.
    """

    def rounded_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (rounded(inputs[0], activation_bits, -1), *inputs[1:])

    for module in list(model.modules()):
        if isinstance(module, Conv1D):
            parametrize.register_parametrization(module, "weight", _Rounded(bits))
            module.register_forward_pre_hook(rounded_input)
    return model


def total_bits(model: Any, bits: int) -> int:
    """Bits that a model takes when the weights of its blocks have so many each, and all else 16."""
    with torch.no_grad():
        blocks = sum(module.weight.numel() for module in model.modules() if isinstance(module, Conv1D))
    everything = parameters_of(model)
    return blocks * bits + (everything - blocks) * _FULL
