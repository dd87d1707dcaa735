"""Logits at the scale of their own spread, instead of one temperature for all."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def standardise(logits: Float[Tensor, "*positions classes"]) -> Float[Tensor, "*positions classes"]:
    """``z / std(z)`` over the classes of each position, so that a factor of the logits means nothing.

    The mean is not taken off: a softmax does not see it. Gradients flow through the deviation. Where all classes have
    the same logit it stays as it is.

    Args:
        logits: Scores before the softmax; in float32 at least afterwards.

    Reference:
        Choi et al., "Understanding the Role of Mixup in Knowledge Distillation: An Empirical Study", WACV 2023,
        arXiv 2211.03946.

    Example:
        >>> standardise(torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])).round(decimals=4)
        tensor([[1., 2., 3.],
                [1., 2., 3.]])
    """
    wide = logits if logits.dtype.itemsize >= 4 else logits.float()
    if wide.shape[-1] < 2 or not len(wide):
        return wide
    # A common factor changes nothing, and keeps the squares of large logits finite.
    largest = wide.detach().abs().amax(-1, keepdim=True)
    scaled = wide / torch.where(largest > 0, largest, 1.0)
    variance = scaled.var(-1, keepdim=True)
    spread = variance > torch.finfo(wide.dtype).eps ** 2
    return torch.where(spread, scaled / torch.where(spread, variance, 1.0).sqrt(), wide)
