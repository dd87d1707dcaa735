"""Losses on the logits of a language model's head that never hold positions x vocabulary, for neither side."""

from __future__ import annotations

import functools
from collections.abc import Callable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.batch import IGNORED
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.divergence import forward_kl
from limbeck.losses.divergences import Divergence
from limbeck.losses.linear_terms import linear_terms
from limbeck.losses.pairs import Temperature
from limbeck.losses.term import Term
from limbeck.signals import LinearLogits, SparseLogits


def linear_divergence(
    student: LinearLogits,
    teacher: LinearLogits | SparseLogits | Float[Tensor, "*positions vocab"],
    *,
    divergence: Divergence = forward_kl,
    temperature: Temperature = 1.0,
    mask: Bool[Tensor, "*positions"] | None = None,
    chunk: int | None = None,
) -> Term:
    """A divergence between what two heads say of their hidden states, a chunk of positions at a time.

    Value and gradients are those of ``divergence(student.dense(), teacher.dense(), ...)``.

    Args:
        student: Hidden states and head. Gradients flow into all of it that requires them.
        teacher: Likewise without gradients; or logits, dense or sparse.
        divergence: Any of :data:`~limbeck.losses.divergences.DIVERGENCES`, by
            :func:`~limbeck.losses.divergences.divergence` with its options set.
        temperature: Both sides' logits are divided by it; a tensor gets no gradient here.
        mask: True where a position counts. Others are left out before the projection and may hold anything.
        chunk: Positions a chunk; by default as many as make :data:`~limbeck.losses.linear_terms.ELEMENTS` logits.

    Returns:
        The sum over positions that count, in nats, and their number.

    Raises:
        LimbeckError: Student and teacher differ in positions or vocabulary.
        ValueError: ``chunk`` is not positive, or the temperature requires a gradient.

    Example:
        >>> import torch
        >>> student = LinearLogits(torch.randn(6, 4), torch.randn(9, 4))
        >>> teacher = LinearLogits(torch.randn(6, 8), torch.randn(9, 8))
        >>> found = linear_divergence(student, teacher, chunk=2)
        >>> torch.allclose(found.total, forward_kl(student.dense(), teacher.dense()).total, rtol=1e-4)
        True
    """
    if not isinstance(temperature, Tensor):
        return linear_term(
            student, functools.partial(divergence, temperature=temperature), teacher, mask=mask, chunk=chunk
        )
    if temperature.requires_grad:
        raise ValueError("temperature: it would get no gradient; take the divergence of dense logits")
    return linear_term(
        student,
        lambda logits, other, scale: divergence(logits, other, temperature=scale),
        teacher,
        temperature.expand(student.positions),
        mask=mask,
        chunk=chunk,
    )


def linear_cross_entropy(
    student: LinearLogits, targets: Int[Tensor, "*positions"], *, chunk: int | None = None
) -> Term:
    """:func:`~limbeck.losses.cross_entropy.cross_entropy` of what a head says, a chunk of positions at a time.

    Args:
        student: Hidden states and head. Gradients flow into all of it that requires them.
        targets: The right classes, or :data:`~limbeck.batch.IGNORED`.
        chunk: As in :func:`linear_divergence`.

    Returns:
        The sum over positions that count, in nats, and their number.

    Example:
        >>> import torch
        >>> student = LinearLogits(torch.zeros(3, 4), torch.randn(9, 4))
        >>> round(float(linear_cross_entropy(student, torch.tensor([8, IGNORED, 0])).mean()), 4)  # ln 9
        2.1972
    """
    return linear_term(student, cross_entropy, targets, mask=targets != IGNORED, chunk=chunk)


def linear_term(
    student: LinearLogits,
    function: Callable[..., Term],
    *inputs: Tensor | SparseLogits | LinearLogits,
    mask: Bool[Tensor, "*positions"] | None = None,
    chunk: int | None = None,
) -> Term:
    """Any loss of logits that adds up over positions, a chunk of positions at a time.

    It is :func:`~limbeck.losses.linear_terms.linear_terms` of one.

    Args:
        student: Hidden states and head. Gradients flow into all of it that requires them.
        function: From a chunk's logits ``(chunk, vocab)`` and the same rows of the inputs to a term.
        inputs: As in :func:`~limbeck.losses.linear_terms.linear_terms`, and so are the other arguments.
        mask: Likewise.
        chunk: Likewise.

    Returns:
        The sum over the chunks' terms.

    Example:
        >>> import torch
        >>> student, labels = LinearLogits(torch.randn(6, 4), torch.randn(9, 4)), torch.arange(6)
        >>> float(linear_term(student, cross_entropy, labels, chunk=4).count)
        6.0
    """
    return linear_terms(student, lambda *rows: {"": function(*rows)}, *inputs, mask=mask, chunk=chunk)[""]
