"""Forward and reverse KL, weighted by where the student is wrong."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.losses.pairs import Rest, Temperature, divergence_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


def adaptive_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    head: float = 0.5,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """Forward and reverse KL, weighted by where student and teacher differ: in the teacher's head or in its tail.

    The head is the smallest set of the teacher's likeliest classes that holds ``head`` of its mass. With ``g`` the sum
    of ``|p - q|`` over head and tail, the value is ``(g_head KL(p, q) + g_tail KL(q, p)) / (g_head + g_tail)``. The
    weights are numbers: no gradient flows through them.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        head: The teacher's mass that the head holds, in ``(0, 1]``.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``; the bucket counts as one class.

    Raises:
        ValueError: If ``head`` is out of range.

    Reference:
        Wu et al., "Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large Language Models",
        COLING 2025, arXiv 2404.02657.

    Example:
        >>> import torch
        >>> from limbeck.losses.divergence import forward_kl, reverse_kl
        >>> student, teacher = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[9.0, 0.0, 0.0]])
        >>> mean = adaptive_kl(student, teacher).mean()
        >>> between = forward_kl(student, teacher).mean(), reverse_kl(student, teacher).mean()
        >>> bool(min(between) < mean < max(between))
        True
    """
    if not 0.0 < head <= 1.0:
        raise ValueError(f"head must be in (0, 1], got {head}")

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        p, q = log_p.exp(), log_q.exp()
        share = _share_of_head(p, q.detach(), head).unsqueeze(-1)
        return ((share * p - (1.0 - share) * q) * (log_p - log_q)).sum(-1)

    return divergence_term(value, student, teacher, temperature=temperature, mask=mask, rest=rest)


def _share_of_head(p: Tensor, q: Tensor, head: float) -> Tensor:
    """How much of ``sum |p - q|`` lies in the teacher's head; a half where there is nothing to share."""
    gaps = (p - q).abs()
    # Sorting a whole vocabulary is slow, and a head mostly is a few classes.
    k = 64
    while True:
        k = min(k, p.shape[-1])
        largest, ids = p.topk(k, dim=-1)
        before = largest.cumsum(-1) - largest
        if k == p.shape[-1] or bool((before[..., -1] + largest[..., -1] >= head).all()):
            break
        k *= 8
    inside = (gaps.gather(-1, ids) * (before < head)).sum(-1)
    whole = gaps.sum(-1)
    share = inside / whole.masked_fill(whole == 0, 1.0)
    return share.masked_fill(whole == 0, 0.5).clamp(max=1.0)
