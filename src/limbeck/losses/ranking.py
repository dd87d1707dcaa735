"""Ranking losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
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


def margin_mse(
    student_positive: Float[Tensor, "b #n"],
    student_negative: Float[Tensor, "b n"],
    teacher_positive: Float[Tensor, "b #n"],
    teacher_negative: Float[Tensor, "b n"],
    mask: Bool[Tensor, "b n"] | None = None,
) -> Term:
    """The student shall prefer a relevant document by the same margin as the teacher; its scale of scores is free.

    ``((s+ - s-) - (t+ - t-))^2`` for every pair of a relevant and another document.

    Args:
        student_positive: The student's scores of the relevant documents, one a query or one a pair.
        student_negative: The student's scores of the others.
        teacher_positive: The teacher's scores of the relevant documents; without a gradient.
        teacher_negative: The teacher's scores of the others, likewise.
        mask: True where there is a pair; elsewhere scores may hold anything.

    Returns:
        The sum over pairs, and their number.

    Raises:
        ValueError: The shapes do not fit.

    Reference:
        Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation",
        2020, arXiv 2010.02666.

    Example:
        >>> import torch
        >>> relevant, others = torch.tensor([[2.0]]), torch.tensor([[1.0, -1.0]])
        >>> float(margin_mse(relevant, others, relevant + 5, others + 5).mean())  # the same margins
        0.0
        >>> float(margin_mse(relevant, others, 2 * relevant, 2 * others).mean())  # margins of 1 and 3, wanted: 2 and 6
        5.0
    """
    shape = student_negative.shape
    for name, value in (("student_positive", student_positive), ("teacher_positive", teacher_positive)):
        if value.shape not in (shape, (*shape[:-1], 1)):
            raise ValueError(f"{name}: got the shape {tuple(value.shape)} beside negatives of {tuple(shape)}")
    if teacher_negative.shape != shape:
        raise ValueError(f"teacher_negative: got the shape {tuple(teacher_negative.shape)}, expected {tuple(shape)}")
    wanted = (teacher_positive - teacher_negative).detach()
    off = student_positive - student_negative - wanted.to(student_negative.dtype)
    if mask is not None:  # before the square, whose gradient would be NaN where the difference is
        off = off.masked_fill(~mask, 0.0)
    return Term.over(off.square(), mask)
