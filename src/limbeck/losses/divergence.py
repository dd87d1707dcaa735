"""Divergences between distributions."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limbeck.losses.term import Term


def jeffreys_divergence(
    logits_a: Float[Tensor, "positions classes"], logits_b: Float[Tensor, "positions classes"]
) -> Term:
    """The mean of both Kullback-Leibler divergences, ``(KL(a, b) + KL(b, a)) / 2``; symmetric, 0 where equal.

    R-Drop draws two passes with different dropout together by it; gradients flow into both sides.

    Args:
        logits_a: Scores before the softmax, only at positions that count.
        logits_b: Likewise.

    Returns:
        The sum over positions, and their number.

    Reference:
        Wu et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021, arXiv 2106.14448.

    Example:
        >>> import torch
        >>> float(jeffreys_divergence(torch.ones(3, 5), torch.zeros(3, 5)).mean())
        0.0
    """
    log_a, log_b = F.log_softmax(logits_a, -1), F.log_softmax(logits_b, -1)
    return Term.over(0.5 * ((log_a.exp() - log_b.exp()) * (log_a - log_b)).sum(-1))
