"""OFA: logits of exits, whose target leans to the truth where the teacher is sure of it."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def target_enhanced(
    student: Float[Tensor, "b classes"],
    teacher: Float[Tensor, "b classes"],
    labels: Int[Tensor, " b"],
    *,
    eps: float = 1.5,
    temperature: float = 1.0,
) -> Float[Tensor, " b"]:
    """``-sum_c [(p_c + y_c)^eps - y_c] log q_c`` of teacher p, student q and one-hot truth y.

    ``eps = 1`` is cross-entropy with the teacher. Above it the truth weighs ``(1 + p_y)^eps - 1``, more than ``p_y``,
    and each other class ``p_c^eps``, less than ``p_c``.

    Args:
        student: Scores before the softmax.
        teacher: Likewise; it gets no gradient.
        labels: The right classes.
        eps: At least 1.
        temperature: Both sides' logits are divided by it.

    Raises:
        ValueError: ``eps`` is less than 1.

    Reference:
        Hao et al., "One-for-All: Bridge the Gap Between Heterogeneous Architectures in Knowledge Distillation",
        NeurIPS 2023, arXiv 2310.19444.

    Example:
        >>> import torch
        >>> even, label = torch.zeros(1, 2), torch.tensor([0])
        >>> [round(float(target_enhanced(even, even, label, eps=e)), 4) for e in (1.0, 2.0)]  # ln 2, and 1.5 ln 2
        [0.6931, 1.0397]
    """
    if eps < 1:
        raise ValueError(f"eps must be at least 1, got {eps}")
    if student.dtype.itemsize < 4:
        student = student.float()
    log_q = (student / temperature).log_softmax(-1)
    p = (teacher.detach().to(student.dtype) / temperature).softmax(-1)
    truth = F.one_hot(labels, student.shape[-1]).to(p.dtype)
    return -(((p + truth) ** eps - truth) * log_q).sum(-1)
