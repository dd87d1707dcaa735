"""Chunked losses of heads are the plain ones, in value and in every gradient."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.losses.cross_entropy import cross_entropy
from limbeck.losses.decoupled import decoupled_kd
from limbeck.losses.divergence import forward_kl
from limbeck.losses.divergences import DIVERGENCES
from limbeck.losses.linear import linear_cross_entropy, linear_divergence, linear_term
from limbeck.signals import LinearLogits, SparseLogits

POSITIONS, WIDTH, VOCABULARY = (2, 5), 3, 7
LABELS = torch.arange(10).view(POSITIONS) % VOCABULARY


def heads(bias: bool = True) -> tuple[LinearLogits, LinearLogits]:
    generator = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    ours = [draw(*POSITIONS, WIDTH), draw(VOCABULARY, WIDTH), *([draw(VOCABULARY)] if bias else [])]
    theirs = [draw(*POSITIONS, 4), draw(VOCABULARY, 4), *([draw(VOCABULARY)] if bias else [])]
    return LinearLogits(*(value.requires_grad_() for value in ours)), LinearLogits(*theirs)


def learnt(student: LinearLogits) -> list[Tensor]:
    return [value for value in (student.hidden, student.weight, student.bias) if value is not None]


def check(student: LinearLogits, found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)
    inputs = learnt(student)
    # What comes from above scales all, as in a mean with a weight.
    pairs = zip(torch.autograd.grad(found * 0.3, inputs), torch.autograd.grad(wanted * 0.3, inputs), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("side", ["head", "dense", "sparse"])
@pytest.mark.parametrize("chunk", [1, 4, None])
def test_every_divergence_against_every_teacher(name: str, side: str, chunk: int | None) -> None:
    student, head = heads()
    teacher: Any = {"head": head, "dense": head.dense(), "sparse": SparseLogits.top(head.dense(), 3)}[side]
    plain = head.dense() if side == "head" else teacher
    found = linear_divergence(student, teacher, divergence=DIVERGENCES[name], chunk=chunk)
    assert float(found.count) == 10.0
    check(student, found.total, DIVERGENCES[name](student.dense(), plain).total)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("temperature", [2.0, torch.linspace(1, 3, 10).view(POSITIONS)])
def test_masks_and_temperatures(bias: bool, temperature: float | Tensor) -> None:
    student, teacher = heads(bias)
    mask = (LABELS % 3 != 1).clone()
    found = linear_divergence(student, teacher, temperature=temperature, mask=mask, chunk=2)
    wanted = forward_kl(student.dense(), teacher.dense(), temperature=temperature, mask=mask)
    assert float(found.count) == float(wanted.count) == float(mask.sum())
    check(student, found.total, wanted.total)


@pytest.mark.parametrize("counted", [0, 3])
def test_nan_under_the_mask(counted: int) -> None:
    student, teacher = heads()
    mask = (torch.arange(10) < counted).view(POSITIONS)
    dirty = student.hidden.detach().masked_fill(~mask[..., None], torch.nan).requires_grad_()
    others = teacher.hidden.masked_fill(~mask[..., None], torch.nan)
    spoilt = LinearLogits(dirty, student.weight, student.bias)
    found = linear_divergence(spoilt, LinearLogits(others, teacher.weight, teacher.bias), mask=mask, chunk=2)
    wanted = forward_kl(student.dense(), teacher.dense(), mask=mask)
    assert float(found.count) == counted
    torch.testing.assert_close(found.total, wanted.total)
    grads = zip(
        torch.autograd.grad(found.total, learnt(spoilt)),
        torch.autograd.grad(wanted.total, learnt(student)),
        strict=True,
    )
    for one, other in grads:
        torch.testing.assert_close(one, other)


def test_labels_and_losses_that_read_more() -> None:
    student, teacher = heads()
    targets = LABELS.masked_fill(LABELS == 2, -100)
    check(student, linear_cross_entropy(student, targets, chunk=3).total, cross_entropy(student.dense(), targets).total)
    found = linear_term(student, decoupled_kd, teacher, targets, chunk=3)
    wanted = decoupled_kd(student.dense(), teacher.dense(), targets)
    assert float(found.count) == float(wanted.count)
    check(student, found.total, wanted.total)


def test_frozen_parts_get_nothing() -> None:
    student, teacher = heads()
    for names in (["hidden"], ["weight"], ["bias"], ["hidden", "bias"]):
        parts: dict[str, Any] = {
            name: value if name in names else value.detach()
            for name, value in zip(("hidden", "weight", "bias"), learnt(student), strict=True)
        }
        some = LinearLogits(**parts)
        inputs = [parts[name] for name in names]
        found = torch.autograd.grad(linear_divergence(some, teacher, chunk=4).total, inputs)
        for one, other in zip(
            found, torch.autograd.grad(forward_kl(some.dense(), teacher.dense()).total, inputs), strict=True
        ):
            torch.testing.assert_close(one, other)


def test_without_gradients() -> None:
    student, teacher = heads()
    with torch.no_grad():
        found = linear_divergence(student, teacher, chunk=3)
    assert not found.total.requires_grad
    torch.testing.assert_close(found.total, forward_kl(student.dense(), teacher.dense()).total.detach())


def test_teachers_head_gets_no_gradient() -> None:
    student, teacher = heads()
    learning = LinearLogits(teacher.hidden.clone().requires_grad_(), teacher.weight.clone().requires_grad_())
    linear_divergence(student, learning, chunk=3).total.backward()
    assert learning.hidden.grad is None
    assert learning.weight.grad is None


def test_gradcheck() -> None:
    student, teacher = heads()
    assert torch.autograd.gradcheck(
        lambda *parts: linear_divergence(LinearLogits(*parts), teacher, chunk=4).total ** 2, learnt(student)
    )


def test_what_does_not_fit_is_told() -> None:
    student, teacher = heads()
    with pytest.raises(LimbeckError, match="student's head has 7 classes, the teacher's 6; for vocabularies"):
        linear_divergence(student, LinearLogits(teacher.hidden, teacher.weight[:6]))
    with pytest.raises(LimbeckError, match="hidden states of width 4, a head for 3"):
        LinearLogits(teacher.hidden, student.weight)
    with pytest.raises(LimbeckError, match=r"student's positions are \(2, 5\)"):
        linear_divergence(student, LinearLogits(teacher.hidden[:, :4], teacher.weight))
    with pytest.raises(ValueError, match="chunk must be positive, got 0"):
        linear_divergence(student, teacher, chunk=0)
    with pytest.raises(ValueError, match="it would get no gradient"):
        linear_divergence(student, teacher, temperature=torch.ones(POSITIONS, requires_grad=True))
    with pytest.raises(ValueError, match=r"mask: got the shape \(5,\)"):
        linear_divergence(student, teacher, mask=torch.ones(5, dtype=torch.bool))
