"""Cross-entropy with label smoothing, without a copy of the log-probabilities."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.losses.term import Term


def smoothed_cross_entropy(
    logits: Float[Tensor, "positions classes"], labels: Int[Tensor, " positions"], smoothing: float = 0.1
) -> Term:
    """Cross-entropy against labels that are mixed with the uniform distribution.

    ``-sum_c t_c log p_c`` with ``t = (1 - smoothing) onehot(label) + smoothing / classes``, written as
    ``logsumexp(z) - (1 - smoothing) z_label - smoothing mean(z)``.

    Args:
        logits: Scores before the softmax, only at positions that count.
        labels: The right classes.
        smoothing: Share of the uniform distribution, in ``[0, 1)``.

    Returns:
        The sum over positions, and their number.

    Raises:
        ValueError: If ``smoothing`` is out of range.

    Reference:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7.

    Example:
        >>> import torch
        >>> float(smoothed_cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]), 0.1).mean())  # ln 4
        1.3862943649291992
    """
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    right = logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    values = logits.logsumexp(-1) - (1.0 - smoothing) * right
    if smoothing:
        values = values - smoothing * logits.mean(-1)
    return Term.over(values)
