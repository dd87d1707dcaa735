"""KL taken apart: the target class and the others, two temperatures, the teacher's head and its tail."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.batch import IGNORED
from limbeck.losses.divergence import forward_pair, reverse_pair
from limbeck.losses.pairs import HIDDEN, Rest, Temperature, divergence_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits

Direction = Literal["forward", "reverse"]
Parts = Literal["generalised", "literal", "renormalised"]


def decoupled_kd(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"],
    labels: Int[Tensor, "*positions"],
    *,
    alpha: float = 1.0,
    beta: float = 8.0,
    temperature: Temperature = 1.0,
    teacher_temperature: Temperature | None = None,
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """DKD: ``alpha KL(b_p, b_q) + beta KL(p', q')``, the target class against all others, and the others among them.

    ``b = (p_label, 1 - p_label)``, and ``p'`` are the probabilities given that it is not the label. Forward KL is the
    case ``alpha = 1`` and ``beta = 1 - p_label``: there the others' weight vanishes where the teacher is sure.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Dense, since the label need not be among the likeliest classes.
        labels: The right classes. Positions with :data:`~limbeck.batch.IGNORED` do not count.
        alpha: Weight of the label's part.
        beta: Weight of the others' part.
        temperature: Likewise. The paper takes 4 and multiplies by its square, which is left to the caller.
        teacher_temperature: The teacher's own; None is the same.
        mask: Likewise.

    Reference:
        Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679.

    Example:
        >>> import torch
        >>> student, teacher = torch.zeros(1, 3), torch.tensor([[50.0, 0.0, 0.0]])
        >>> round(float(decoupled_kd(student, teacher, torch.tensor([0])).mean()), 4)  # the others are even: ln 3
        1.0986
    """
    if labels.shape != student.shape[:-1]:
        raise ValueError(f"labels: got the shape {tuple(labels.shape)} for logits {tuple(student.shape)}")
    counted = labels != IGNORED if mask is None else mask & (labels != IGNORED)

    def value(log_q: Tensor, log_p: Tensor, right: Tensor) -> Tensor:
        at = right.unsqueeze(-1)
        hit_q, hit_p = log_q.gather(-1, at), log_p.gather(-1, at)
        others_q, others_p = log_q.scatter(-1, at, HIDDEN), log_p.scatter(-1, at, HIDDEN)
        miss_q, miss_p = others_q.logsumexp(-1, keepdim=True), others_p.logsumexp(-1, keepdim=True)
        target = hit_p.exp() * (hit_p - hit_q) + miss_p.exp() * (miss_p - miss_q)
        return alpha * target.squeeze(-1) + beta * forward_pair(others_q - miss_q, others_p - miss_p)

    return divergence_term(
        value, student, teacher, labels, temperature=temperature, teacher_temperature=teacher_temperature, mask=counted
    )


def decoupled_temperature_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    temperature: Temperature = 1.0,
    teacher_temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """Forward KL in which each side has its own temperature: equal where ``student / T`` is ``teacher / T_teacher``.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        temperature: The student's.
        teacher_temperature: The teacher's.
        mask: Likewise.
        rest: Likewise.

    Example:
        >>> import torch
        >>> student = torch.tensor([[1.0, 2.0, 3.0]])
        >>> float(decoupled_temperature_kl(student, 4 * student, teacher_temperature=4.0).mean())
        0.0
    """
    return divergence_term(
        forward_pair,
        student,
        teacher,
        temperature=temperature,
        teacher_temperature=teacher_temperature,
        mask=mask,
        rest=rest,
        linear=True,
    )


def topk_split_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    k: int = 10,
    head: Direction = "reverse",
    tail: Direction = "forward",
    parts: Parts = "generalised",
    tail_weight: float = 1.0,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """TopKLD: reverse KL on the teacher's ``k`` likeliest classes, forward KL on all others.

    Each part is a sum over its classes alone. Taken literally, ``sum_head q log(q / p) + sum_tail p log(p / q)`` is not
    at its minimum where student and teacher agree: it falls further when the student takes mass out of the head. Hence
    the parts are by default generalised divergences, ``sum q log(q / p) - q + p``, none of which falls below 0.

    The form is that of a description of the paper; no code of it was found to compare with.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        k: Classes in the head: those that the sampler may draw.
        head: The direction there.
        tail: The direction elsewhere.
        parts: ``"generalised"``; ``"literal"``, as the equation stands; or ``"renormalised"``: both sides given that it
            is a class of the part, and ``KL`` of the head's mass, forward, besides.
        tail_weight: Weight of the tail's part.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``; the bucket counts as one class.

    Raises:
        ValueError: If ``k`` is not positive, or a choice is none of those.

    Reference:
        "Dissecting Bit-Level Scaling Laws in Quantizing Vision Generative Models", 2025, arXiv 2501.06218.

    Example:
        >>> import torch
        >>> from limbeck.losses.divergence import reverse_kl
        >>> student, teacher = torch.randn(2, 3, 5)
        >>> whole = topk_split_kl(student, teacher, k=5)  # all is head
        >>> torch.allclose(whole.total, reverse_kl(student, teacher).total, atol=1e-6)
        True
    """
    if k < 1:
        raise ValueError(f"k must be positive, got {k}")
    for name, choice, possible in (
        ("head", head, ("forward", "reverse")),
        ("tail", tail, ("forward", "reverse")),
        ("parts", parts, ("generalised", "literal", "renormalised")),
    ):
        if choice not in possible:
            raise ValueError(f"{name} must be one of {', '.join(possible)}, got {choice!r}")

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        ids = log_p.topk(min(k, log_p.shape[-1]), dim=-1).indices
        sides = (log_q, log_p)
        heads = [side.gather(-1, ids) for side in sides]
        tails = [side.scatter(-1, ids, HIDDEN) for side in sides]
        masses = log_q.new_zeros(len(log_q))
        if parts == "renormalised":
            sums = [[side.logsumexp(-1, keepdim=True) for side in part] for part in (heads, tails)]
            masses = sum(((p.exp() * (p - q)).squeeze(-1) for q, p in sums), masses)
            heads, tails = (
                [x - y for x, y in zip(p, s, strict=True)] for p, s in zip((heads, tails), sums, strict=True)
            )
            if ids.shape[-1] == log_p.shape[-1]:
                return masses + _directed(head, *heads, exact=False)
        exact = parts == "generalised"
        return masses + _directed(head, *heads, exact=exact) + tail_weight * _directed(tail, *tails, exact=exact)

    return divergence_term(value, student, teacher, temperature=temperature, mask=mask, rest=rest)


def _directed(direction: Direction, log_q: Tensor, log_p: Tensor, *, exact: bool) -> Tensor:
    value = forward_pair(log_q, log_p) if direction == "forward" else reverse_pair(log_q, log_p)
    if not exact:
        return value
    excess = log_q.exp().sum(-1) - log_p.exp().sum(-1)
    return value + (excess if direction == "forward" else -excess)
