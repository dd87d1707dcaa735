"""Losses of a language model's head, together, that never hold positions x vocabulary, for neither side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.errors import LimbeckError
from limbeck.losses.rowwise import gradients_once
from limbeck.losses.term import Term, add_terms
from limbeck.signals import LinearLogits, SparseLogits

ELEMENTS = {"cpu": 2**24, "cuda": 2**27}
"""Logits a chunk by default: few enough to be cheap, enough rows for the matrix products to be fast."""


def linear_terms(
    student: LinearLogits,
    function: Callable[..., dict[str, Term]],
    *inputs: Tensor | SparseLogits | LinearLogits,
    weights: Mapping[str, float] | None = None,
    mask: Bool[Tensor, "*positions"] | None = None,
    chunk: int | None = None,
) -> dict[str, Term]:
    """Several losses of the same logits that add up over positions, for which each chunk is projected once.

    The gradient of a sum is known as soon as a chunk's logits are, so it is taken in the forward pass; the backward
    pass only scales it. Hence the weights must be known beforehand where there are several terms; it is an error if
    the backward pass comes with others.

    Args:
        student: Hidden states and head. Gradients flow into all of it that requires them.
        function: From a chunk's logits ``(chunk, vocab)`` and the same rows of the inputs to named terms; also for a
            chunk of no positions.
        inputs: What else the losses read, ``(*positions, ...)``; it gets no gradient.
        weights: In what proportion the terms' totals will be learnt from; a term without a weight is not. By default
            all alike.
        mask: True where a position counts. Others are left out before the projection and may hold anything.
        chunk: Positions a chunk; by default the student's own, or as many as make :data:`ELEMENTS` logits.

    Returns:
        The sums over the chunks' terms.

    Raises:
        LimbeckError: Student and an input differ in positions, or in vocabulary where both are heads.
        ValueError: ``chunk`` is not positive.

    Example:
        >>> import torch
        >>> from limbeck.losses.cross_entropy import cross_entropy
        >>> student, labels = LinearLogits(torch.randn(6, 4), torch.randn(9, 4)), torch.arange(6)
        >>> def both(logits, labels):
        ...     hits = (logits.argmax(-1) == labels).float()
        ...     return {"cross_entropy": cross_entropy(logits, labels), "accuracy": Term.over(hits)}
        >>> sorted(linear_terms(student, both, labels, chunk=4))
        ['accuracy', 'cross_entropy']
    """
    lead = student.positions
    if mask is not None and mask.shape != lead:
        raise ValueError(f"mask: got the shape {tuple(mask.shape)}, expected that of the positions, {tuple(lead)}")
    rows = [_Rows.of(value, student) for value in inputs]
    head = _cast(student.of(student.hidden.reshape(-1, student.hidden.shape[-1])))
    at = None if mask is None else mask.reshape(-1).nonzero().squeeze(1)
    number = len(head.hidden) if at is None else len(at)
    size = chunk_size(len(head.weight), head.hidden.device.type, student.chunk if chunk is None else chunk)
    # One chunk at least, which may be of no positions: it tells the terms' names.
    slices: list[Any] = [slice(start, min(start + size, number)) for start in range(0, max(number, 1), size)]
    chunks = slices if at is None else [at[one] for one in slices]

    def terms(projected: Tensor, where: Any) -> dict[str, Term]:
        return function(student.finished(projected), *(value(where) for value in rows))

    parts = (head.hidden, head.weight, head.bias)
    with torch.autocast(head.hidden.device.type, enabled=False):
        if torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in parts):
            names: list[str] = []
            flat = _LinearTerms.apply(terms, chunks, weights, names, *parts)
            return {name: Term(*flat[2 * place : 2 * place + 2]) for place, name in enumerate(names)}
        return add_terms(terms(F.linear(head.hidden[where], head.weight, head.bias), where) for where in chunks)


def chunk_size(vocabulary: int, device: str, chunk: int | None = None) -> int:
    """How many positions are projected at a time.

    Args:
        vocabulary: Of the head.
        device: Its kind, such as ``"cpu"``.
        chunk: What was asked for; None chooses.

    Raises:
        ValueError: ``chunk`` is not positive.
    """
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk must be positive, got {chunk}")
    return chunk or max(32, ELEMENTS.get(device, ELEMENTS["cuda"]) // vocabulary)


class _LinearTerms(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        terms: Callable[[Tensor, Any], dict[str, Term]],
        chunks: list[Any],
        weights: Mapping[str, float] | None,
        names: list[str],
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
    ) -> tuple[Tensor, ...]:
        wide = torch.promote_types(hidden.dtype, torch.float32)
        needed = ctx.needs_input_grad[4:]
        grad_hidden = torch.zeros_like(hidden) if needed[0] else None
        # In half precision, what a chunk adds would be lost in what the others added.
        grad_weight = torch.zeros_like(weight, dtype=wide) if needed[1] else None
        grad_bias = torch.zeros_like(bias, dtype=wide) if bias is not None and needed[2] else None
        sums: dict[str, Term] = {}
        for where in chunks:
            part = hidden[where]
            logits = F.linear(part, weight, bias).requires_grad_()
            with torch.enable_grad(), gradients_once():
                found = terms(logits, where)
                grad = _gradient(found, weights, logits)
            sums = add_terms([sums, {name: term.detach() for name, term in found.items()}])
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
        names.extend(sums)
        ctx.weights = [_weight(weights, name) for name in names]
        flat = [value for term in sums.values() for value in (term.total, term.count)]
        ctx.mark_non_differentiable(*flat[1::2])
        return tuple(flat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scale = _common_scale(torch.stack(grad_outputs[::2]), ctx.weights)
        scaled = (None if grad is None else grad * scale.to(grad.dtype) for grad in ctx.saved_tensors)
        return None, None, None, None, *scaled


def _weight(weights: Mapping[str, float] | None, name: str) -> float:
    return 1.0 if weights is None else weights.get(name, 0.0)


def _gradient(found: Mapping[str, Term], weights: Mapping[str, float] | None, logits: Tensor) -> Tensor:
    """Of the weighted sum of what learns."""
    totals = [
        term.total if _weight(weights, name) == 1.0 else _weight(weights, name) * term.total
        for name, term in found.items()
        if term.total.requires_grad and _weight(weights, name)
    ]
    if not totals:
        return torch.zeros_like(logits)
    (grad,) = torch.autograd.grad(functools.reduce(torch.add, totals), logits)
    return grad


def _common_scale(asked: Tensor, weights: list[float]) -> Tensor:
    """By what the weighted sum's gradient is to be multiplied, if the backward pass keeps to the weights."""
    known = torch.tensor(weights, dtype=torch.float64, device=asked.device)
    asked = asked.double()
    scale = (asked @ known) / known.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
    if len(weights) > 1 and not torch.allclose(asked, scale * known, rtol=1e-4, atol=1e-12 + 1e-4 * float(scale.abs())):
        told = f"their totals are weighted {asked.tolist()}, expected was the proportion {weights}"
        raise RuntimeError(f"terms of one head's logits: {told}")
    return scale


def _cast(head: LinearLogits) -> LinearLogits:
    """To the type of autocast, where it is on."""
    device = head.hidden.device.type
    if not torch.is_autocast_enabled(device):
        return head
    kind = torch.get_autocast_dtype(device)
    bias = None if head.bias is None else head.bias.to(kind)
    return replace(head, hidden=head.hidden.to(kind), weight=head.weight.to(kind), bias=bias)


class _Rows:
    """Rows of an input, whatever it is; projected when they are asked for."""

    def __init__(self, value: Tensor | SparseLogits | LinearLogits) -> None:
        self.value = value

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
            return cls(_cast(value.of(value.hidden.reshape(-1, value.hidden.shape[-1])).detach()))
        if isinstance(value, SparseLogits):
            ids, log_probs = value.ids.reshape(-1, value.k), value.log_probs.detach().reshape(-1, value.k)
            return cls(replace(value, ids=ids, log_probs=log_probs))
        return cls(value.detach().reshape(-1, *value.shape[len(lead) :]))

    def __call__(self, where: Any) -> Tensor | SparseLogits:
        rows = self.value[where]
        return rows.dense() if isinstance(rows, LinearLogits) else rows
