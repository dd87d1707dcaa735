"""Features that shall point where a class lies, and be long."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Align = Literal["both", "direction", "norm"]


def norm_and_direction(
    student: Float[Tensor, "b width"],
    teacher: Float[Tensor, "b width"],
    means: Float[Tensor, "b width"],
    *,
    align: Align = "both",
) -> Float[Tensor, " b"]:
    """ND: ``1 - (s . e) / max(|s|, |t|)``, with the direction ``e = c / |c|`` of the class's mean ``c``.

    While the student's feature s is shorter than the teacher's t, a longer projection on e is better; from there on it
    is ``1 - cos(s, e)``. The greater length is differentiated through, as the equation is written.

    Args:
        student: Features, adapted to the teacher's width.
        teacher: The teacher's features of the same items; only their lengths count. They get no gradient.
        means: The mean of the teacher's features over the class of each item. They get no gradient.
        align: What of it: ``"direction"`` is ``1 - cos(s, e)`` at every length; ``"norm"`` is ``1 - |s| / max(|s|,
            |t|)``, wherever the feature points.

    Raises:
        ValueError: There is no such part.

    Reference:
        Wang et al., "Improving Knowledge Distillation via Regularizing Feature Norm and Direction", 2023,
        arXiv 2305.17007.

    Example:
        >>> s, t = torch.tensor([[3.0, 0.0], [20.0, 0.0]]), torch.tensor([[0.0, 10.0], [0.0, 10.0]])
        >>> norm_and_direction(s, t, means=torch.tensor([[5.0, 0.0], [5.0, 0.0]])).tolist()
        [0.699999988079071, 0.0]
    """
    if align not in get_args(Align):
        raise ValueError(f"align must be one of {', '.join(get_args(Align))}, got {align!r}")
    wide = torch.promote_types(student.dtype, torch.float32)
    ours, theirs, mean = student.to(wide), teacher.detach().to(wide), means.detach().to(wide)
    # A feature of length 0 points nowhere: it has the value 1 of a right angle, and a finite gradient.
    tiny = torch.finfo(wide).eps
    length = ours.square().sum(-1).clamp(min=tiny**2).sqrt()
    longer = torch.maximum(length, theirs.norm(dim=-1)) if align != "direction" else length
    reached = length if align == "norm" else (ours * F.normalize(mean, dim=-1)).sum(-1)
    return 1.0 - reached / torch.where(longer > tiny, longer, 1.0)
