"""Student and teacher as two distributions over the same classes: what every divergence begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.term import Term
from limbeck.signals import SparseLogits

Temperature = float | Float[Tensor, "*positions"]
"""Both sides' logits are divided by it; one for all positions, or one a position."""

Rest = Literal["bucket", "renormalise", "drop"]
"""What becomes of the mass that a sparse teacher leaves over; without meaning for a dense one.

- ``"bucket"``: one more class holds the rest of the teacher and the rest of the student. At temperature 1 only: the
  tempered mass of classes that were not kept is unknown.
- ``"renormalise"``: both sides given that it is one of the kept classes, at any temperature. Says nothing about how
  much the student puts elsewhere, so take cross-entropy with it.
- ``"drop"``: the target sums to less than 1 (sampled targets: to 1 in expectation), and the student's softmax is over
  all classes. For forward KL only: the target is linear in its gradient, so that sampled targets give it without bias.
  Values may be negative. At temperature 1 only.
"""

LogPair = Callable[..., Tensor]
"""From the log-probabilities of student and teacher, ``(rows, classes)`` each, to one value a row."""

Scale = float | Tensor | None
"""The temperature of a block: one, one a row ``(rows, 1)``, or None for 1."""

HIDDEN = -1e30
"""The log-probability of classes that are not there: the same on both sides, so that they differ by 0, not by NaN."""


def divergence_term(
    function: LogPair,
    student: Float[Tensor, "*positions vocab"],
    teacher: Float[Tensor, "*positions vocab"] | SparseLogits,
    *extras: Tensor,
    temperature: Temperature = 1.0,
    teacher_temperature: Temperature | None = None,
    mask: Bool[Tensor, "*positions"] | None = None,
    rest: Rest = "bucket",
    detach: bool = True,
    linear: bool = False,
) -> Term:
    """Sum a divergence of distributions over the positions that count.

    Args:
        function: The divergence.
        student: Scores before the softmax.
        teacher: Likewise, or the likeliest classes.
        extras: What the divergence reads besides, ``(*positions, ...)``; those that require a gradient get one.
        temperature: Both sides' logits are divided by it.
        teacher_temperature: The teacher's own; None is the same.
        mask: True where a position counts; elsewhere either side may hold anything.
        rest: What becomes of the mass that a sparse teacher leaves over.
        detach: Whether the teacher gets no gradient; a sparse one never gets any.
        linear: Whether the target is linear in the divergence, so that it need not sum to 1.

    Raises:
        LimbeckError: Student and teacher have other positions or vocabularies.
        ValueError: A temperature is not positive, or does not go with ``rest``; or a teacher's classes were drawn, and
            the divergence is not linear in its target.
    """
    lead = student.shape[:-1]
    check_pair(student, teacher)
    if mask is not None and mask.shape != lead:
        raise ValueError(f"mask: got the shape {tuple(mask.shape)}, expected that of the positions, {tuple(lead)}")
    both = temperature, temperature if teacher_temperature is None else teacher_temperature
    tempered = [check_temperature(one, mask, lead) for one in both]
    if isinstance(teacher, SparseLogits):
        _check_rest(rest, any(tempered), linear, teacher.sampled)
        sides: tuple[Tensor, ...] = (student, teacher.ids, teacher.log_probs.detach())
        pair = _SPARSE[rest]
    else:
        sides = (student, teacher.detach() if detach else teacher)
        pair = _dense
    fixed = [one if needed else None for one, needed in zip(both, tempered, strict=True)]
    moving = [one.expand(lead) for one in fixed if isinstance(one, Tensor)]

    def value(*rows: Tensor) -> Tensor:
        first, second = rows[: len(sides)], iter(rows[len(sides) : len(sides) + len(moving)])
        scales = [next(second).unsqueeze(-1) if isinstance(one, Tensor) else one for one in fixed]
        return function(*pair(*first, *scales), *rows[len(sides) + len(moving) :])

    return rowwise_term(value, (*sides, *moving, *extras), mask)


def check_pair(student: Tensor, teacher: Tensor | SparseLogits) -> None:
    """Raise LimbeckError if student and teacher do not speak of the same positions and classes."""
    ours = tuple(student.shape)
    if isinstance(teacher, SparseLogits):
        theirs = tuple(teacher.positions)
        if ours[:-1] != theirs:
            raise LimbeckError(f"logits: the student's positions are {ours[:-1]}, the teacher's {theirs}")
    elif ours != tuple(teacher.shape):
        theirs = tuple(teacher.shape)
        hint = "; for vocabularies that differ, choose a cross-vocabulary loss" if ours[-1:] != theirs[-1:] else ""
        raise LimbeckError(f"logits: the student's are {ours}, the teacher's {theirs}{hint}")


def check_temperature(temperature: Temperature, mask: Tensor | None, lead: torch.Size) -> bool:
    """Whether it changes anything.

    Raises:
        ValueError: It is not positive where a position counts, or of another shape than the positions.
    """
    if not isinstance(temperature, Tensor):
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        return temperature != 1.0
    if temperature.dim() and temperature.shape != lead:
        raise ValueError(f"temperature: got the shape {tuple(temperature.shape)}, expected {tuple(lead)} or ()")
    counted = temperature if mask is None or not temperature.dim() else temperature[mask]
    if not bool((counted > 0).all()):
        raise ValueError(f"temperature must be positive, got {float(counted.min())}")
    return bool((counted != 1).any())


def _check_rest(rest: Rest, tempered: bool, linear: bool, sampled: bool) -> None:
    if rest not in _SPARSE:
        raise ValueError(f"rest must be one of {', '.join(_SPARSE)}, got {rest!r}")
    if rest == "drop" and not linear:
        raise ValueError("rest='drop' is for forward KL alone: elsewhere the target must sum to 1; take 'bucket'")
    if sampled and not linear:
        raise ValueError(
            "classes that were drawn are right on average alone, for forward KL, which is linear in the target; take "
            "the likeliest or all of them"
        )
    if rest != "renormalise" and tempered:
        raise ValueError(
            f"rest={rest!r} with a sparse teacher needs temperature 1, since the tempered mass left over is unknown; "
            "take rest='renormalise' or a dense teacher"
        )


def tempered_log_softmax(logits: Tensor, temperature: Scale) -> Tensor:
    """``log softmax(logits / temperature)`` over the last axis; None is 1."""
    return (logits if temperature is None else logits / temperature).log_softmax(-1)


def _dense(student: Tensor, teacher: Tensor, ours: Scale, theirs: Scale) -> tuple[Tensor, Tensor]:
    return tempered_log_softmax(student, ours), tempered_log_softmax(teacher, theirs)


def _kept(student: Tensor, ids: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """Which slots are used; and ids in which an unused slot repeats a used one, so that none names another class."""
    ids = ids.long()
    if ids.numel() and int(ids.max()) >= student.shape[-1]:
        raise LimbeckError(f"logits: the teacher names class {int(ids.max())}, the student has {student.shape[-1]}")
    used = log_probs != -torch.inf
    first = log_probs.argmax(-1, keepdim=True)
    return used, torch.where(used, ids, ids.gather(-1, first))


def _renormalised(student: Tensor, ids: Tensor, log_probs: Tensor, ours: Scale, theirs: Scale) -> tuple[Tensor, Tensor]:
    used, ids = _kept(student, ids, log_probs)
    log_q = tempered_log_softmax(student.gather(-1, ids).masked_fill(~used, HIDDEN), ours)
    log_p = tempered_log_softmax(log_probs.masked_fill(~used, HIDDEN), theirs)
    unused = ~used & used.any(-1, keepdim=True)  # with no slot used, both sides are even
    return log_q.masked_fill(unused, HIDDEN), log_p.masked_fill(unused, HIDDEN)


def _dropped(student: Tensor, ids: Tensor, log_probs: Tensor, *_: Scale) -> tuple[Tensor, Tensor]:
    used, ids = _kept(student, ids, log_probs)
    log_q = student.gather(-1, ids) - student.logsumexp(-1, keepdim=True)
    return log_q.masked_fill(~used, HIDDEN), log_probs.masked_fill(~used, HIDDEN)


def _bucketed(student: Tensor, ids: Tensor, log_probs: Tensor, *_: Scale) -> tuple[Tensor, Tensor]:
    used, ids = _kept(student, ids, log_probs)
    # The student's rest is summed from its own classes: 1 - sum would lose all digits where the rest is small.
    kept = student.gather(-1, ids).masked_fill(~used, HIDDEN)
    others = student.scatter(-1, ids, HIDDEN).logsumexp(-1, keepdim=True)
    whole = torch.logaddexp(others, kept.logsumexp(-1, keepdim=True))
    # Less than rounding can tell of the teacher's rest is taken as that; it may be 0 only where no class is left.
    rest = 1.0 - log_probs.exp().sum(-1, keepdim=True)
    log_rest = rest.clamp(min=torch.finfo(rest.dtype).eps).log()
    nothing = ~used.any(-1, keepdim=True)  # all is in the bucket, on both sides
    empty = (others < HIDDEN / 2) & ~nothing  # no class is left for it
    log_q_rest = (others - whole).masked_fill(nothing, 0.0).masked_fill(empty, HIDDEN)
    log_q = torch.cat([(kept - whole).masked_fill(~used, HIDDEN), log_q_rest], -1)
    log_p = torch.cat([log_probs.masked_fill(~used, HIDDEN), log_rest.masked_fill(empty, HIDDEN)], -1)
    return log_q, log_p


_SPARSE: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "bucket": _bucketed,
    "renormalise": _renormalised,
    "drop": _dropped,
}
