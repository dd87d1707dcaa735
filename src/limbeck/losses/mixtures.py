"""Divergences from a mixture of student and teacher, which is nowhere 0 where either is not."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.losses.divergence import forward_pair, reverse_pair
from limbeck.losses.pairs import Rest, Temperature, divergence_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits


def generalized_js(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    beta: float = 0.5,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``beta KL(p, m) + (1 - beta) KL(q, m)`` with ``m = beta p + (1 - beta) q``; never above ``ln 2``.

    Divided by ``beta`` it becomes forward KL for ``beta`` towards 0, divided by ``1 - beta`` reverse KL towards 1.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        beta: The teacher's share of the mixture, in ``(0, 1)``.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.

    Raises:
        ValueError: If ``beta`` is out of range.

    Reference:
        Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, arXiv 2306.13649.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
        >>> round(float(generalized_js(left, right).mean()), 4)
        0.6931
    """
    if not 0.0 < beta < 1.0:
        raise ValueError(f"beta must be in (0, 1), got {beta}; for 0 and 1 take forward_kl and reverse_kl")

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        p, q = log_p.exp(), log_q.exp()
        log_m = _log(beta * p + (1.0 - beta) * q)
        return (beta * p * (log_p - log_m) + (1.0 - beta) * q * (log_q - log_m)).sum(-1)

    return divergence_term(value, student, teacher, temperature=temperature, mask=mask, rest=rest)


def skewed_forward_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    skew: float = 0.1,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``KL(p, skew p + (1 - skew) q)``: forward KL whose gradient stays bounded where the student has no mass.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        skew: The teacher's share of the mixture, in ``[0, 1)``; 0 is forward KL.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.

    Raises:
        ValueError: If ``skew`` is out of range.

    Reference:
        Ko et al., "DistiLLM: Towards Streamlined Distillation for Large Language Models", ICML 2024, arXiv 2402.03898.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
        >>> round(float(skewed_forward_kl(left, right).mean()), 4)  # ln 10
        2.3026
    """
    _check_skew(skew)

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        p = log_p.exp()
        return (p * (log_p - _log(skew * p + (1.0 - skew) * log_q.exp()))).sum(-1)

    function = value if skew else forward_pair
    return divergence_term(function, student, teacher, temperature=temperature, mask=mask, rest=rest)


def skewed_reverse_kl(
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *,
    skew: float = 0.1,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
) -> Term:
    """``KL(q, (1 - skew) p + skew q)``: reverse KL that stays bounded where the teacher has no mass.

    Args:
        student: As in :func:`~limbeck.losses.divergence.forward_kl`, and so are the other arguments.
        teacher: Likewise.
        skew: How much of the student is mixed in, in ``[0, 1)``; 0 is reverse KL.
        temperature: Likewise.
        mask: Likewise.
        rest: Likewise, but for ``"drop"``.

    Raises:
        ValueError: If ``skew`` is out of range.

    Reference:
        Ko et al., "DistiLLM: Towards Streamlined Distillation for Large Language Models", ICML 2024, arXiv 2402.03898.

    Example:
        >>> import torch
        >>> left, right = torch.tensor([[90.0, 0.0]]), torch.tensor([[0.0, 90.0]])
        >>> round(float(skewed_reverse_kl(left, right).mean()), 4)
        2.3026
    """
    _check_skew(skew)

    def value(log_q: Tensor, log_p: Tensor) -> Tensor:
        q = log_q.exp()
        return (q * (log_q - _log(skew * q + (1.0 - skew) * log_p.exp()))).sum(-1)

    function = value if skew else reverse_pair
    return divergence_term(function, student, teacher, temperature=temperature, mask=mask, rest=rest)


def _log(mixture: Tensor) -> Tensor:
    """The log of a mixture. Where all underflows, what it is multiplied with has underflown too."""
    return mixture.clamp(min=torch.finfo(mixture.dtype).tiny).log()


def _check_skew(skew: float) -> None:
    if not 0.0 <= skew < 1.0:
        raise ValueError(f"skew must be in [0, 1), got {skew}")
