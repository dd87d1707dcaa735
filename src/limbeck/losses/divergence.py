"""Divergences between a student's and a teacher's distributions over classes, a value a position, in nats.

All take the same arguments (see :func:`forward_kl`), give gradients to the student alone, and are not multiplied by
the squared temperature: whether they are is the caller's choice.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.losses.pairs import Rest, Temperature, divergence_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


def forward_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``KL(p, q) = sum_c p_c log(p_c / q_c)`` of teacher ``p`` and student ``q``: all of the teacher is to be covered.

    Args:
        student: Scores before the softmax.
        teacher: Likewise; or the likeliest classes as a store keeps them. It gets no gradient.
        temperature: Both sides' logits are divided by it; one for all positions, or one a position. A tensor that
            requires a gradient gets one.
        mask: True where a position counts; elsewhere either side may hold anything, NaN too.
        rest: What becomes of the mass that a sparse teacher leaves over: see :data:`limbeck.losses.pairs.Rest`.

    Returns:
        The sum over positions that count, in nats, and their number.

    Raises:
        LimbeckError: Student and teacher differ in positions or vocabulary.
        ValueError: A temperature is not positive, or does not go with ``rest``.

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531. Unbiased sampled targets:
        Anshumann et al., "Sparse Logit Sampling", ACL 2025, arXiv 2503.16870.

    Example:
        >>> import torch
        >>> certain, even = torch.tensor([[50.0, 0.0]]), torch.zeros(1, 2)
        >>> round(float(forward_kl(even, certain).mean()), 4)  # ln 2
        0.6931
    """
    return divergence_term(forward_pair, student, teacher, temperature=temperature, mask=mask, rest=rest, linear=True)


def reverse_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``KL(q, p) = sum_c q_c log(q_c / p_c)``: the student keeps to what the teacher finds likely.

    Args:
        student: As in :func:`forward_kl`, and so are the other arguments.
        teacher: Likewise.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.

    Reference:
        Gu et al., "MiniLLM: Knowledge Distillation of Large Language Models", ICLR 2024, arXiv 2306.08543; here for
        given tokens, without the paper's policy gradient.

    Example:
        >>> import torch
        >>> certain, even = torch.tensor([[50.0, 0.0]]), torch.zeros(1, 2)
        >>> round(float(reverse_kl(certain, even).mean()), 4), round(float(reverse_kl(even, certain).mean()), 4)
        (0.6931, 24.3069)
    """
    return divergence_term(reverse_pair, student, teacher, temperature=temperature, mask=mask, rest=rest)


def jeffreys(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
    symmetric: bool = False,
) -> Term:
    """The mean of both Kullback-Leibler divergences, ``(KL(p, q) + KL(q, p)) / 2``.

    Args:
        student: As in :func:`forward_kl`, and so are the other arguments.
        teacher: Likewise.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.
        symmetric: Gradients flow into both sides, if dense.

    Example:
        >>> import torch
        >>> student, teacher = torch.randn(2, 3, 5)
        >>> both = forward_kl(student, teacher).total + reverse_kl(student, teacher).total
        >>> torch.allclose(jeffreys(student, teacher).total, both / 2)
        True
    """
    return divergence_term(
        _jeffreys, student, teacher, temperature=temperature, mask=mask, rest=rest, detach=not symmetric
    )


def jeffreys_divergence(
    logits_a: Float[Tensor, "positions classes"], logits_b: Float[Tensor, "positions classes"]
) -> Term:
    """:func:`jeffreys` of two equals; symmetric, 0 where equal.

    R-Drop draws two passes with different dropout together by it; gradients flow into both sides.

    Args:
        logits_a: Scores before the softmax, only at positions that count.
        logits_b: Likewise.

    Returns:
        The sum over positions, and their number.

    Reference:
        Wu et al., "R-Drop: Regularized Dropout for Neural Networks", NeurIPS 2021, arXiv 2106.14448.

    Example:
        >>> import torch
        >>> float(jeffreys_divergence(torch.ones(3, 5), torch.zeros(3, 5)).mean())
        0.0
    """
    return Term.over(_jeffreys(F.log_softmax(logits_a, -1), F.log_softmax(logits_b, -1)))


def total_variation(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``sum_c |p_c - q_c| / 2``: the mass that would have to be moved; in ``[0, 1]``, not in nats.

    Args:
        student: As in :func:`forward_kl`, and so are the other arguments.
        teacher: Likewise.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.

    Reference:
        Wen et al., "f-Divergence Minimization for Sequence-Level Knowledge Distillation", ACL 2023, arXiv 2307.15190.

    Example:
        >>> import torch
        >>> total_variation(torch.tensor([[90.0, 0.0]]), torch.zeros(1, 2)).mean()
        tensor(0.5000)
    """
    return divergence_term(
        lambda log_q, log_p: 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1),
        student,
        teacher,
        temperature=temperature,
        mask=mask,
        rest=rest,
    )


def forward_pair(log_q: Tensor, log_p: Tensor) -> Tensor:
    """``KL(p, q)`` of log-probabilities."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def reverse_pair(log_q: Tensor, log_p: Tensor) -> Tensor:
    """``KL(q, p)`` of log-probabilities."""
    return forward_pair(log_p, log_q)


def _jeffreys(log_q: Tensor, log_p: Tensor) -> Tensor:
    return 0.5 * ((log_q.exp() - log_p.exp()) * (log_q - log_p)).sum(-1)
