"""TAID: a target that moves from the student's own distribution to the teacher's."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.losses.pairs import Rest, Temperature, check_pair, divergence_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


def interpolated_target(
    student: Float[Tensor, "*positions vocab"], teacher: Float[Tensor, "*positions vocab"], t: float
) -> Float[Tensor, "*positions vocab"]:
    """``log softmax((1 - t) student + t teacher)``, without a gradient.

    Args:
        student: Scores before the softmax.
        teacher: Likewise.
        t: The teacher's share, in ``[0, 1]``.

    Returns:
        The target's log-probabilities, in float32 at least.

    Raises:
        LimbeckError: Student and teacher differ in positions or vocabulary.
        ValueError: If ``t`` is out of range.

    Example:
        >>> import torch
        >>> student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
        >>> interpolated_target(student, teacher, 0.5).exp().tolist()
        [[0.5, 0.5]]
    """
    _check_share(t)
    check_pair(student, teacher)
    student, teacher = student.detach(), teacher.detach()
    if student.dtype.itemsize < 4:
        student = student.float()
    return student.lerp(teacher.to(student.dtype), t).log_softmax(-1)


def taid_divergence(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    t: float = 0.4,
    *,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
    entropy: bool = True,
) -> Term:
    """``KL(r, q)`` of the student ``q`` from the interpolated target ``r`` (:func:`interpolated_target`).

    For ``t = 1`` it is forward KL; for ``t = 0`` target and student agree, and neither value nor gradient is left.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        t: The teacher's share of the target, in ``[0, 1]``; :func:`taid_update` moves it.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``; the bucket is interpolated as one class.
        entropy: Whether the target's negative entropy is in the value. Without it this is the cross-entropy
            ``-sum r log q`` of the released code, from which :func:`taid_update` takes its losses; the gradient is
            the same.

    Raises:
        ValueError: If ``t`` is out of range.

    Reference:
        Shing et al., "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language
        Models", ICLR 2025, arXiv 2501.16937.

    Example:
        >>> import torch
        >>> from limbeck.losses.divergence import forward_kl
        >>> student, teacher = torch.randn(2, 3, 5)
        >>> torch.allclose(taid_divergence(student, teacher, 1.0).total, forward_kl(student, teacher).total)
        True
    """
    _check_share(t)

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        log_r = log_q.detach().lerp(log_p, t).log_softmax(-1)
        return (log_r.exp() * (log_r - log_q if entropy else -log_q)).sum(-1)

    return divergence_term(value, student, teacher, temperature=temperature, mask=mask, rest=rest)


def taid_update(
    t: float,
    momentum: float,
    previous_loss: float | None,
    loss: float,
    progress: float,
    *,
    t_start: float = 0.4,
    t_end: float = 1.0,
    alpha: float = 5e-4,
    beta: float = 0.99,
) -> tuple[float, float]:
    """The next share of the teacher: it grows faster while the loss falls, and never below a straight line.

    With ``d`` the relative fall of the loss, ``m = beta m + (1 - beta) d``, and
    ``t = min(t_end, max(line, t + alpha sigmoid(m) (1 - t)))``, where the line leads from ``t_start`` to ``t_end``.

    Args:
        t: The share until now.
        momentum: Of the relative falls until now; 0 at first.
        previous_loss: Mean loss of the step before; None at the first step, which changes nothing.
        loss: Mean loss of this step.
        progress: Share of the training that is done, in ``[0, 1]``.
        t_start: Where the line begins.
        t_end: Where it ends, and what ``t`` never exceeds.
        alpha: Largest step of ``t``.
        beta: How slowly the momentum follows.

    Returns:
        The new ``t`` and the new momentum.

    Raises:
        ValueError: If ``t``, ``progress``, ``t_start`` or ``t_end`` is out of range.

    Reference:
        As :func:`taid_divergence`, algorithm 1.

    Example:
        >>> taid_update(0.4, 0.0, None, 2.0, 0.0)
        (0.4, 0.0)
        >>> t, momentum = taid_update(0.4, 0.0, 2.0, 1.0, 0.0)
        >>> round(t, 6), round(momentum, 6)
        (0.40015, 0.005)
        >>> taid_update(0.4, 0.0, 2.0, 1.0, 1.0)[0]
        1.0
    """
    _check_share(t)
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress must be in [0, 1], got {progress}")
    if not 0.0 <= t_start <= t_end <= 1.0:
        raise ValueError(f"t_start and t_end must be in order and in [0, 1], got {t_start} and {t_end}")
    if previous_loss is None:
        return t, momentum
    momentum = beta * momentum + (1.0 - beta) * (previous_loss - loss) / (previous_loss + 1e-15)
    step = alpha * 0.5 * (1.0 + math.tanh(momentum / 2.0)) * (1.0 - t)
    line = t_start + (t_end - t_start) * progress
    return min(t_end, max(line, t + step)), momentum


def _check_share(t: float) -> None:
    if not 0.0 <= t <= 1.0:
        raise ValueError(f"t must be in [0, 1], got {t}")
