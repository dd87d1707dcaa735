"""Losses on the logits of a language model's head that never hold positions x vocabulary, for neither side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.batch import IGNORED
from limbeck.errors import LimbeckError
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.divergence import forward_kl
from limbeck.losses.divergences import Divergence
from limbeck.losses.pairs import Temperature
from limbeck.losses.rowwise import gradients_once
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits

ELEMENTS = {"cpu": 2**24, "cuda": 2**27}
"""Logits a chunk by default: few enough to be cheap, enough rows for the matrix products to be fast."""


@dataclass(frozen=True)
class LinearLogits:
    """Logits that are not computed yet: hidden states, and the head that will project them.

    Args:
        hidden: States before the head.
        weight: The head's, as in ``torch.nn.functional.linear``.
        bias: The head's, if it has one.

    Raises:
        LimbeckError: Hidden states and head differ in width, or weight and bias in vocabulary.
    """

    hidden: Float[Tensor, "*positions width"]
    weight: Float[Tensor, "vocab width"]
    bias: Float[Tensor, " vocab"] | None = None

    def __post_init__(self) -> None:
        if self.hidden.shape[-1] != self.weight.shape[-1]:
            widths = f"hidden states of width {self.hidden.shape[-1]}, a head for {self.weight.shape[-1]}"
            raise LimbeckError(f"linear logits: {widths}")
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise LimbeckError(f"linear logits: {len(self.weight)} classes, a bias of {tuple(self.bias.shape)}")

    @property
    def positions(self) -> torch.Size:
        """The shape without the vocabulary."""
        return self.hidden.shape[:-1]

    def dense(self) -> Float[Tensor, "*positions vocab"]:
        """The logits, all at once."""
        return F.linear(self.hidden, self.weight, self.bias)


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
        chunk: Positions a chunk; by default as many as make :data:`ELEMENTS` logits.

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

    The gradient of a sum is known as soon as a chunk's logits are, so it is taken in the forward pass; the backward
    pass only scales it.

    Args:
        student: Hidden states and head. Gradients flow into all of it that requires them.
        function: From a chunk's logits ``(chunk, vocab)`` and the same rows of the inputs to a term.
        inputs: What else the loss reads, ``(*positions, ...)``; it gets no gradient.
        mask: True where a position counts. Others are left out before the projection and may hold anything.
        chunk: Positions a chunk; by default as many as make :data:`ELEMENTS` logits.

    Returns:
        The sum over the chunks' terms.

    Raises:
        LimbeckError: Student and an input differ in positions, or in vocabulary where both are heads.
        ValueError: ``chunk`` is not positive.

    Example:
        >>> import torch
        >>> student, labels = LinearLogits(torch.randn(6, 4), torch.randn(9, 4)), torch.arange(6)
        >>> float(linear_term(student, cross_entropy, labels, chunk=4).count)
        6.0
    """
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be positive, got {chunk}")
    lead = student.positions
    if mask is not None and mask.shape != lead:
        raise ValueError(f"mask: got the shape {tuple(mask.shape)}, expected that of the positions, {tuple(lead)}")
    rows = [_Rows.of(value, student) for value in inputs]
    hidden, weight, bias = student.hidden.reshape(-1, student.hidden.shape[-1]), student.weight, student.bias
    if torch.is_autocast_enabled(hidden.device.type):
        kind = torch.get_autocast_dtype(hidden.device.type)
        hidden, weight, bias = hidden.to(kind), weight.to(kind), None if bias is None else bias.to(kind)
    at = None if mask is None else mask.reshape(-1).nonzero().squeeze(1)
    number = len(hidden) if at is None else len(at)
    default = ELEMENTS.get(hidden.device.type, ELEMENTS["cuda"]) // len(weight)
    size = chunk or max(32, default)
    slices: list[Any] = [slice(start, min(start + size, number)) for start in range(0, number, size)]
    chunks = slices if at is None else [at[one] for one in slices]

    def term(logits: Tensor, where: Any) -> Term:
        return function(logits, *(value(where) for value in rows))

    with torch.autocast(hidden.device.type, enabled=False):
        learning = [value is not None and value.requires_grad for value in (hidden, weight, bias)]
        if torch.is_grad_enabled() and any(learning):
            return Term(*_LinearTerm.apply(term, chunks, hidden, weight, bias))
        wide = torch.promote_types(hidden.dtype, torch.float32)
        zero = hidden.new_zeros((), dtype=wide)
        terms = (term(F.linear(hidden[where], weight, bias), where) for where in chunks)
        return sum(terms, Term(zero, zero))


class _LinearTerm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        term: Callable[[Tensor, Any], Term],
        chunks: list[Any],
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        wide = torch.promote_types(hidden.dtype, torch.float32)
        total, count = hidden.new_zeros((), dtype=wide), hidden.new_zeros((), dtype=wide)
        needed = ctx.needs_input_grad[2:]
        grad_hidden = torch.zeros_like(hidden) if needed[0] else None
        # In half precision, what a chunk adds would be lost in what the others added.
        grad_weight = torch.zeros_like(weight, dtype=wide) if needed[1] else None
        grad_bias = torch.zeros_like(bias, dtype=wide) if bias is not None and needed[2] else None
        for where in chunks:
            part = hidden[where]
            logits = F.linear(part, weight, bias).requires_grad_()
            with torch.enable_grad(), gradients_once():
                found = term(logits, where)
                (grad,) = torch.autograd.grad(found.total, logits)
            total += found.total.detach()
            count += found.count
            del found, logits
            if grad_hidden is not None:
                grad_hidden[where] = grad @ weight
            if grad_weight is not None and grad.dtype == wide:
                grad_weight.addmm_(grad.T, part)
            elif grad_weight is not None:
                grad_weight += grad.T @ part
            if grad_bias is not None:
                grad_bias += grad.sum(0, dtype=wide)
        ctx.save_for_backward(
            grad_hidden,
            None if grad_weight is None else grad_weight.to(weight.dtype),
            None if grad_bias is None else grad_bias.to(hidden.dtype),
        )
        ctx.mark_non_differentiable(count)
        return total, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad_outputs[0]
        return None, None, *(None if grad is None else grad * scale.to(grad.dtype) for grad in ctx.saved_tensors)


class _Rows:
    """Rows of an input, whatever it is; projected when they are asked for."""

    def __init__(self, value: Tensor | SparseLogits, head: LinearLogits | None = None) -> None:
        self.value = value
        self.head = head

    @classmethod
    def of(cls, value: Tensor | SparseLogits | LinearLogits, student: LinearLogits) -> _Rows:
        lead = student.positions
        shape = value.shape if isinstance(value, Tensor) else value.positions
        if shape[: len(lead)] != lead:
            raise LimbeckError(f"logits: the student's positions are {tuple(lead)}, the teacher's {tuple(shape)}")
        if isinstance(value, LinearLogits):
            ours, theirs = len(student.weight), len(value.weight)
            if ours != theirs:
                hint = "for vocabularies that differ, choose a cross-vocabulary loss"
                raise LimbeckError(f"logits: the student's head has {ours} classes, the teacher's {theirs}; {hint}")
            return cls(value.hidden.detach().reshape(-1, value.hidden.shape[-1]), value)
        if isinstance(value, SparseLogits):
            flat = SparseLogits(value.ids.reshape(-1, value.k), value.log_probs.detach().reshape(-1, value.k))
            return cls(flat)
        return cls(value.detach().reshape(-1, *value.shape[len(lead) :]))

    def __call__(self, where: Any) -> Tensor | SparseLogits:
        rows = self.value[where]
        if self.head is None or isinstance(rows, SparseLogits):
            return rows
        bias = None if self.head.bias is None else self.head.bias.detach()
        return F.linear(rows, self.head.weight.detach(), bias)
