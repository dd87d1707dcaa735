"""How the items of a batch lie to each other: compared without a projection, since only relations count.

Items are not independent of each other here: parts of a batch do not add up to the whole. Gradients flow into both
sides that require them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.losses.term import Term, empty_term


def linear_cka(
    student: Float[Tensor, "b width"],
    teacher: Float[Tensor, "b teacher_width"],
    mask: Bool[Tensor, " b"] | None = None,
) -> Term:
    """``1 - CKA``: how unlike the similarities among the items are, free of rotation and scale of either side.

    With centred features ``X`` and ``Y``: ``CKA = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F)``, computed from the items'
    products. It is 0 where one side is constant.

    Args:
        student: Features, one row an item.
        teacher: Features of the same items.
        mask: True where an item counts.

    Returns:
        The value, and 1: what is counted is the batch. Nothing is counted for fewer than two items.

    Reference:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, arXiv 1905.00414.

    Example:
        >>> import torch
        >>> features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
        >>> round(float(linear_cka(features, 3 * features.flip(1)).total), 4)
        0.0
    """
    student, teacher = _chosen(student, teacher, mask)
    if len(student) < 2:
        return _nothing(student, teacher)
    ours, theirs = ((side - side.mean(0)) @ (side - side.mean(0)).T for side in (student, teacher))
    scale = ours.norm() * theirs.norm()
    known = scale > 0
    alike = torch.where(known, (ours * theirs).sum() / scale.masked_fill(~known, 1.0), 0.0)
    return Term.over(1.0 - alike)


def rkd_distance(
    student: Float[Tensor, "b width"],
    teacher: Float[Tensor, "b teacher_width"],
    mask: Bool[Tensor, " b"] | None = None,
) -> Term:
    """Huber distance between the items' distances to each other, each side's divided by their mean.

    Args:
        student: Features, one row an item.
        teacher: Features of the same items.
        mask: True where an item counts.

    Returns:
        The sum over pairs, and their number.

    Reference:
        Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068.

    Example:
        >>> import torch
        >>> line = torch.tensor([[0.0], [1.0], [3.0]])
        >>> float(rkd_distance(line, 5 * line).mean())
        0.0
    """
    student, teacher = _chosen(student, teacher, mask)
    if len(student) < 2:
        return _nothing(student, teacher)
    ours, theirs = (_over_mean(F.pdist(side)) for side in (student, teacher))
    return Term.over(F.smooth_l1_loss(ours, theirs, reduction="none"))


def rkd_angle(
    student: Float[Tensor, "b width"],
    teacher: Float[Tensor, "b teacher_width"],
    mask: Bool[Tensor, " b"] | None = None,
) -> Term:
    """Huber distance between the cosines of the angles that three items make.

    Over all triples of different items: memory grows with the cube of the batch.

    Args:
        student: Features, one row an item.
        teacher: Features of the same items.
        mask: True where an item counts.

    Returns:
        The sum over triples, and their number.

    Reference:
        Park et al., "Relational Knowledge Distillation", CVPR 2019, arXiv 1904.05068.

    Example:
        >>> import torch
        >>> corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> float(rkd_angle(corner, 5 * corner + 1).mean()) < 1e-6
        True
    """
    student, teacher = _chosen(student, teacher, mask)
    number = len(student)
    if number < 3:
        return _nothing(student, teacher)
    same = torch.eye(number, dtype=torch.bool, device=student.device)
    different = ~(same.unsqueeze(0) | same.unsqueeze(1) | same.unsqueeze(2))
    return Term.over(F.smooth_l1_loss(_cosines(student), _cosines(teacher), reduction="none"), different)


def similarity_preserving(
    student: Float[Tensor, "b width"],
    teacher: Float[Tensor, "b teacher_width"],
    mask: Bool[Tensor, " b"] | None = None,
) -> Term:
    """Squared difference of the items' products with each other, each row of products scaled to length 1.

    Args:
        student: Features, one row an item.
        teacher: Features of the same items.
        mask: True where an item counts.

    Returns:
        The sum over pairs of items, each with itself too, and their number.

    Reference:
        Tung and Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, arXiv 1907.09682.

    Example:
        >>> import torch
        >>> features = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> round(float(similarity_preserving(features, 3 * features.flip(1)).mean()), 6)
        0.0
    """
    student, teacher = _chosen(student, teacher, mask)
    if not len(student):
        return _nothing(student, teacher)
    ours, theirs = (F.normalize(side @ side.T, dim=-1) for side in (student, teacher))
    return Term.over((ours - theirs).square())


def _cosines(features: Tensor) -> Tensor:
    """``[j, i, k]``: the cosine of the angle at item j between items i and k."""
    rays = F.normalize(features.unsqueeze(0) - features.unsqueeze(1), dim=-1)
    return rays @ rays.transpose(1, 2)


def _over_mean(distances: Tensor) -> Tensor:
    mean = distances.mean()
    return distances / mean.masked_fill(mean == 0, 1.0)


def _chosen(student: Tensor, teacher: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    if len(student) != len(teacher):
        raise ValueError(f"student and teacher differ in items: {len(student)} and {len(teacher)}")
    if student.dtype.itemsize < 4:
        student = student.float()
    teacher = teacher.to(student.dtype)
    return (student, teacher) if mask is None else (student[mask], teacher[mask])


def _nothing(student: Tensor, teacher: Tensor) -> Term:
    """A term over nothing that still leads to both sides."""
    return Term(student[:0].sum() + teacher[:0].sum(), empty_term(student).count)
