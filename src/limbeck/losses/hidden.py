"""Hidden states and attention maps compared, position by position.

Projections belong to methods and may be on either side, so gradients flow into both sides that require them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.term import Term


def hidden_mse(
    student: Float[Tensor, "*positions width"],
    teacher: Float[Tensor, "*positions width"],
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """Mean squared difference of the features at each position.

    Args:
        student: Hidden states, projected to the teacher's width.
        teacher: Hidden states.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum over positions that count, and their number.

    Raises:
        LimbeckError: The shapes differ.

    Reference:
        Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv 1412.6550.

    Example:
        >>> import torch
        >>> float(hidden_mse(torch.zeros(2, 3), torch.full((2, 3), 2.0)).mean())
        4.0
    """
    student, teacher = _counted(student, teacher, mask)
    return Term.over((student - teacher).square().mean(-1))


def hidden_cosine(
    student: Float[Tensor, "*positions width"],
    teacher: Float[Tensor, "*positions width"],
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """``1 - cosine`` at each position: 0 where both point the same way, 2 where they point apart.

    Args:
        student: Hidden states, projected to the teacher's width.
        teacher: Hidden states.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum over positions that count, and their number.

    Raises:
        LimbeckError: The shapes differ.

    Reference:
        Sanh et al., "DistilBERT, a distilled version of BERT", 2019, arXiv 1910.01108.

    Example:
        >>> import torch
        >>> float(hidden_cosine(torch.tensor([[2.0, 0.0]]), torch.tensor([[-3.0, 0.0]])).mean())
        2.0
    """
    student, teacher = _counted(student, teacher, mask)
    return Term.over(1.0 - F.cosine_similarity(student, teacher, dim=-1))


def normalized_l1(
    student: Float[Tensor, "*positions width"],
    teacher: Float[Tensor, "*positions width"],
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """Mean absolute difference of the features at each position, after both are brought to length 1.

    Args:
        student: Hidden states, projected to the teacher's width.
        teacher: Hidden states.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum over positions that count, and their number.

    Raises:
        LimbeckError: The shapes differ.

    Reference:
        Bai et al., "Masked Autoencoders Enable Efficient Knowledge Distillers", CVPR 2023, arXiv 2208.12256.

    Example:
        >>> import torch
        >>> float(normalized_l1(torch.tensor([[5.0, 0.0]]), torch.tensor([[0.0, 2.0]])).mean())
        1.0
    """
    student, teacher = _counted(student, teacher, mask)
    return Term.over((F.normalize(student, dim=-1) - F.normalize(teacher, dim=-1)).abs().mean(-1))


def attention_divergence(
    student: Float[Tensor, "b heads queries keys"],
    teacher: Float[Tensor, "b teacher_heads queries keys"],
    mask: Bool[Tensor, "b queries"] | None = None,
    *,
    mean_heads: bool = False,
) -> Term:
    """Forward KL between attention maps over the keys, averaged over heads.

    Args:
        student: Attention probabilities.
        teacher: Likewise; as many heads, unless their mean is compared.
        mask: True where a query counts; elsewhere either side may hold anything, NaN too. Keys that do not count have
            probability 0 on both sides.
        mean_heads: Compare the means over heads instead of head with head.

    Returns:
        The sum over queries that count of the mean over heads, in nats, and the number of queries.

    Raises:
        LimbeckError: The shapes differ.

    Reference:
        Wang et al., "MiniLM: Deep Self-Attention Distillation", NeurIPS 2020, arXiv 2002.10957.

    Example:
        >>> import torch
        >>> even, first = torch.full((1, 1, 1, 2), 0.5), torch.tensor([[[[1.0, 0.0]]]])
        >>> round(float(attention_divergence(even, first).mean()), 4)  # ln 2
        0.6931
    """
    if mean_heads:
        student, teacher = student.mean(1, keepdim=True), teacher.mean(1, keepdim=True)
    student, teacher = _counted(student.transpose(1, 2), teacher.transpose(1, 2), mask, features=2)
    if student.dtype.itemsize < 4:
        student, teacher = student.float(), teacher.float()
    tiny = torch.finfo(student.dtype).tiny
    gain = teacher.clamp(min=tiny).log() - student.clamp(min=tiny).log()
    return Term.over((teacher * gain).sum(-1).mean(-1))


def _counted(student: Tensor, teacher: Tensor, mask: Tensor | None, *, features: int = 1) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        shapes = f"the student's are {tuple(student.shape)}, the teacher's {tuple(teacher.shape)}"
        raise LimbeckError(f"hidden states: {shapes}; a projection belongs before this loss")
    if mask is None:
        return student, teacher
    if mask.shape != student.shape[:-features]:
        raise ValueError(f"mask: got the shape {tuple(mask.shape)}, expected {tuple(student.shape[:-features])}")
    return student[mask], teacher[mask]
