"""Ranking losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limbeck.losses.term import Term


def margin_ranking(predicted: Float[Tensor, "b width"], targets: Float[Tensor, "b width"], margin: float = 0.1) -> Term:
    """Each prediction shall be closer to its own target than to the others' by a margin, in cosine.

    ``sum over j != i of max(0, margin - cos(p_i, t_i) + cos(p_i, t_j))``, divided by the number of others: the mean
    over all pairs of different items.

    Args:
        predicted: Predicted vectors.
        targets: Their targets, in the same order; the others' serve as contrast.
        margin: How much closer, in cosine.

    Returns:
        The sum over items of the mean over their contrasts, and the number of items; nothing is counted where there
        is no contrast (fewer than two items).

    Reference:
        Elliott and Kádár, "Imagination Improves Multimodal Translation", IJCNLP 2017, arXiv 1705.04350.

    Example:
        >>> import torch
        >>> vectors = torch.eye(3)
        >>> float(margin_ranking(vectors, vectors).mean()), float(margin_ranking(vectors, vectors.roll(1, 0)).mean())
        (0.0, 0.6000000238418579)
    """
    if len(predicted) < 2:
        return Term.over(predicted.sum(-1)[:0])
    similarity = F.normalize(predicted, dim=-1) @ F.normalize(targets, dim=-1).T
    violations = F.relu(margin - similarity.diagonal().unsqueeze(1) + similarity)
    others = ~torch.eye(len(predicted), dtype=torch.bool, device=predicted.device)
    return Term.over((violations * others).sum(1) / (len(predicted) - 1))
