"""Teacher and label, mixed for each item by a share of its own."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def fused_distillation(
    student: Float[Tensor, "b classes"],
    teacher: Float[Tensor, "b classes"],
    labels: Int[Tensor, " b"],
    shares: Float[Tensor, " b"],
    *,
    temperature: float = 1.0,
) -> Float[Tensor, " b"]:
    """``a T^2 KL(softmax(z_T / T), softmax(z_S / T)) + (1 - a) CE(z_S, y)``, with a share ``a`` an item.

    Written in plain operations: it can be differentiated twice, as an unrolled step needs.

    Args:
        student: Scores before the softmax.
        teacher: Likewise; it gets no gradient.
        labels: The right classes.
        shares: Of the teacher, in ``[0, 1]``. Gradients flow into them if they require some.
        temperature: Both sides' logits are divided by it in the first part.

    Reference:
        "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR 2024,
        arXiv 2312.15112.

    Example:
        >>> import torch
        >>> logits, labels = torch.zeros(2, 2), torch.tensor([0, 1])
        >>> fused_distillation(logits, logits, labels, torch.tensor([1.0, 0.5])).tolist()  # nothing, and ln 2 / 2
        [0.0, 0.3465735912322998]
    """
    if student.dtype.itemsize < 4:
        student = student.float()
    teacher, shares = teacher.detach().to(student.dtype), shares.to(student.dtype)
    log_q, log_p = (side.div(temperature).log_softmax(-1) for side in (student, teacher))
    soft = temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)
    return shares * soft + (1 - shares) * F.cross_entropy(student, labels, reduction="none")
