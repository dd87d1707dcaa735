"""DAC-KL: KL on that part of the teacher's distribution which a small network chooses."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.losses.pairs import Rest, Temperature, divergence_term
from limbeck.losses.sorting import rising_order
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


def dac_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    lower: Float[Tensor, "*positions"],
    upper: Float[Tensor, "*positions"],
    targets: Int[Tensor, "*positions"] | None = None,
    *,
    scale: float = 0.05,
    minimum: float = 0.5,
    quantile: Literal["classes", "mass"] = "classes",
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """Forward KL among the classes whose teacher probability lies between two quantiles, both sides renormalised.

    Classes are kept softly, by ``w = sigmoid((c - lower) / scale) sigmoid((upper - c) / scale)`` with ``c`` the class's
    quantile, so that what chose the quantiles learns too. It could lower the loss by keeping nothing: where less than
    ``minimum`` of the teacher's mass is kept, all weights move towards 1 until that much is.

    Written after the paper's equations; no code of it was found to compare with.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise; a sparse one only without ``targets``, which need not be among its classes.
        lower: The lower quantile, in ``[0, 1]``. Gets a gradient if it requires one.
        upper: The upper quantile, likewise.
        targets: Classes that are always kept; negative ones are not.
        scale: Softness of the choice, in quantiles.
        minimum: The teacher's mass that is kept at least, in ``[0, 1]``.
        quantile: A class's quantile is the share of ``"classes"`` that are less likely, or their share of the
            ``"mass"``; of the class itself, half counts in either.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``; the bucket counts as one class.

    Raises:
        ValueError: If an option is out of range, or targets come with a sparse teacher.

    Reference:
        Liu et al., "Multi-Granularity Semantic Revision for Large Language Model Distillation", 2024,
        arXiv 2407.10068, section on distribution adaptive clipping.

    Example:
        >>> import torch
        >>> from limbeck.losses.divergence import forward_kl
        >>> student, teacher = torch.randn(2, 3, 5)
        >>> all_kept = dac_kl(student, teacher, torch.full((3,), -9.0), torch.full((3,), 9.0))
        >>> torch.allclose(all_kept.total, forward_kl(student, teacher).total)
        True
    """
    if not scale > 0.0:
        raise ValueError(f"scale must be positive, got {scale}")
    if not 0.0 <= minimum <= 1.0:
        raise ValueError(f"minimum must be in [0, 1], got {minimum}")
    if quantile not in ("classes", "mass"):
        raise ValueError(f"quantile must be classes or mass, got {quantile!r}")
    if targets is not None and isinstance(teacher, SparseLogits):
        raise ValueError("targets need a dense teacher: they may not be among the classes of a sparse one")

    def value(log_q: Tensor, log_p: Tensor, low: Tensor, high: Tensor, *right: Tensor) -> Tensor:
        p = log_p.exp()
        at = _quantiles(p, quantile)
        weight = torch.sigmoid((at - low.unsqueeze(-1)) / scale) * torch.sigmoid((high.unsqueeze(-1) - at) / scale)
        if right:
            known = right[0].unsqueeze(-1)
            one = torch.zeros_like(weight).scatter_(-1, known.clamp(min=0), (known >= 0).to(weight.dtype))
            weight = weight + (1.0 - weight) * one
        kept = (weight * p).sum(-1, keepdim=True)
        # All weights move towards 1 by the same share, so that the kept mass becomes the minimum.
        weight = weight + (1.0 - weight) * ((minimum - kept) / (1.0 - kept).clamp(min=1e-6)).clamp(0.0, 1.0)
        log_weight = weight.clamp(min=torch.finfo(weight.dtype).tiny).log()
        log_kept_p = (log_p + log_weight).logsumexp(-1, keepdim=True)
        log_kept_q = (log_q + log_weight).logsumexp(-1, keepdim=True)
        target = (log_p + log_weight - log_kept_p).exp()
        return (target * (log_p - log_kept_p - log_q + log_kept_q)).sum(-1)

    extras = (lower, upper) if targets is None else (lower, upper, targets)
    return divergence_term(value, student, teacher, *extras, temperature=temperature, mask=mask, rest=rest)


def _quantiles(p: Tensor, kind: str) -> Tensor:
    """Each class's place among the less likely ones, from 0 to 1."""
    order = rising_order(p)
    if kind == "classes":
        places = (torch.arange(p.shape[-1], device=p.device, dtype=p.dtype) + 0.5) / p.shape[-1]
        return torch.empty_like(p).scatter_(-1, order, places.expand_as(p))
    rising = p.gather(-1, order)
    return torch.empty_like(p).scatter_(-1, order, rising.cumsum(-1) - 0.5 * rising)
