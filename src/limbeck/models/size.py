"""How large models are."""

from __future__ import annotations

from torch import nn


def parameters_of(model: nn.Module, *, learning: bool = False) -> int:
    """How many parameters a model has; those that are tied count once.

    Args:
        model: Which.
        learning: Count only those that take a gradient.

    Example:
        >>> parameters_of(nn.Linear(3, 2))
        8
    """
    return sum(part.numel() for part in model.parameters() if part.requires_grad or not learning)
