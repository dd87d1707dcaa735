"""Cross-entropy against labels, plain and smoothed, without a copy of the log-probabilities."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.batch import IGNORED
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.term import Term


def cross_entropy(logits: Float[Tensor, "*positions classes"], targets: Int[Tensor, "*positions"]) -> Term:
    """``-log p_target`` at every position whose target is not :data:`~limbeck.batch.IGNORED`.

    For next tokens, ``targets`` are already shifted: logits are judged by the target of the same position.

    Args:
        logits: Scores before the softmax; where the target is ignored they may hold anything.
        targets: The right classes, or :data:`~limbeck.batch.IGNORED`.

    Returns:
        The sum over positions that count, in nats, and their number.

    Example:
        >>> import torch
        >>> term = cross_entropy(torch.zeros(1, 3, 4), torch.tensor([[2, 0, IGNORED]]))
        >>> round(float(term.mean()), 4), float(term.count)  # ln 4
        (1.3863, 2.0)

    Raises:
        ValueError: Targets and logits have other positions.
    """
    if targets.shape != logits.shape[:-1]:
        raise ValueError(f"targets: got the shape {tuple(targets.shape)} for logits {tuple(logits.shape)}")
    return rowwise_term(lambda z, t: F.cross_entropy(z, t, reduction="none"), (logits, targets), targets != IGNORED)


def smoothed_cross_entropy(
    logits: Float[Tensor, "positions classes"], labels: Int[Tensor, " positions"], smoothing: float = 0.1
) -> Term:
    """Cross-entropy against labels that are mixed with the uniform distribution.

    ``-sum_c t_c log p_c`` with ``t = (1 - smoothing) onehot(label) + smoothing / classes``, written as
    ``logsumexp(z) - (1 - smoothing) z_label - smoothing mean(z)``.

    Args:
        logits: Scores before the softmax, only at positions that count.
        labels: The right classes.
        smoothing: Share of the uniform distribution, in ``[0, 1)``.

    Returns:
        The sum over positions, and their number.

    Raises:
        ValueError: If ``smoothing`` is out of range.

    Reference:
        Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7.

    Example:
        >>> import torch
        >>> float(smoothed_cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]), 0.1).mean())  # ln 4
        1.3862943649291992
    """
    if not 0.0 <= smoothing < 1.0:
        raise ValueError(f"smoothing must be in [0, 1), got {smoothing}")
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    return Term.over(_SmoothedCrossEntropy.apply(logits, labels, smoothing))


def soft_cross_entropy(
    logits: Float[Tensor, "*positions classes"],
    targets: Float[Tensor, "*positions classes"],
    mask: Bool[Tensor, "*positions"] | None = None,
) -> Term:
    """``-sum_c t_c log p_c`` with a share ``t_c`` of each class, as mixed items have them.

    Args:
        logits: Scores before the softmax.
        targets: Probabilities. They get no gradient.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.

    Returns:
        The sum over positions that count, in nats, and their number.

    Raises:
        ValueError: Targets and logits have other shapes.

    Example:
        >>> import torch
        >>> round(float(soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.3, 0.7]])).mean()), 4)  # ln 2
        0.6931
    """
    if targets.shape != logits.shape:
        raise ValueError(f"targets: got the shape {tuple(targets.shape)} for logits {tuple(logits.shape)}")
    return rowwise_term(lambda z, t: -(t * z.log_softmax(-1)).sum(-1), (logits, targets.detach()), mask)


class _SmoothedCrossEntropy(torch.autograd.Function):
    """One value a position. The softmax of the forward pass is kept and becomes the gradient.

    Written out because it runs over the largest tensor of a translator's training step: by the chain of operations
    that autograd would record, it goes through memory twice as often.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        highest = logits.amax(-1, keepdim=True)
        softmax = (logits - highest).exp_()
        mass = softmax.sum(-1, keepdim=True)
        ctx.save_for_backward(softmax, mass, labels)
        ctx.smoothing = smoothing
        values = (mass.log() + highest).squeeze(-1)
        values -= (1.0 - smoothing) * logits.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
        return values.sub_(logits.mean(-1), alpha=smoothing) if smoothing else values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        softmax, mass, labels = ctx.saved_tensors
        scale = grad_outputs[0].unsqueeze(-1)
        grad = softmax * (scale / mass)
        if ctx.smoothing:
            grad -= scale * (ctx.smoothing / grad.shape[-1])
        grad.scatter_add_(-1, labels.unsqueeze(-1), (ctx.smoothing - 1.0) * scale)
        return grad, None, None
