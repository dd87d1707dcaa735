"""What the truth suite does not say of TAID: how its target moves."""

from __future__ import annotations

import math

import pytest
import torch

from limbeck.losses.divergence import forward_kl
from limbeck.methods.taid import TemporallyAdaptiveDistillation
from limbeck.signals import Signals


def step(method: TemporallyAdaptiveDistillation, gap: float, progress: float) -> None:
    """One step in which the student is so far from the teacher."""
    method.begin_step(progress)
    student = torch.zeros(1, 1, 2, dtype=torch.float64)
    teacher = torch.tensor([[[gap, 0.0]]], dtype=torch.float64)
    method.train()(Signals(logits=student), Signals(logits=teacher), {})


def test_the_share_follows_the_losses_as_algorithm_1_says() -> None:
    method = TemporallyAdaptiveDistillation(t_start=0.2, alpha=0.05, beta=0.9)
    t, momentum, previous = 0.2, 0.0, None
    for number, gap in enumerate([3.0, 2.5, 2.0, 2.2, 1.0]):
        progress = number / 100
        step(method, gap, progress)
        assert float(method.t) == pytest.approx(t)
        target = torch.tensor([t * gap, 0.0], dtype=torch.float64).softmax(0)
        loss = float(-(target * math.log(0.5)).sum())
        if previous is not None:
            momentum = 0.9 * momentum + 0.1 * (previous - loss) / (previous + 1e-15)
            grown = t + 0.05 / (1 + math.exp(-momentum)) * (1 - t)
            t = min(1.0, max(0.2 + 0.8 * (number + 1) / 100, grown))
        previous = loss


def test_at_the_end_it_is_forward_kl() -> None:
    method = TemporallyAdaptiveDistillation(adaptive=False)
    method.begin_step(1.0)
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64)
    student.requires_grad_()
    (found,) = torch.autograd.grad(method(Signals(logits=student), Signals(logits=teacher), {})["taid"].total, student)
    (expected,) = torch.autograd.grad(forward_kl(student, teacher).total, student)
    torch.testing.assert_close(found, expected)


def test_its_state_is_in_the_checkpoint() -> None:
    first, second = (TemporallyAdaptiveDistillation(alpha=0.1) for _ in range(2))
    for number in range(3):
        step(first, 3.0 - number, 0.0)
    second.load_state_dict(first.state_dict())
    step(first, 0.5, 0.1)
    step(second, 0.5, 0.1)
    assert torch.equal(first.t, second.t)
    assert float(first.t) > 0.4


@pytest.mark.parametrize("t_end", [1.0, 0.7])
def test_what_validations_say_does_not_depend_on_where_the_target_is(t_end: float) -> None:
    student, teacher = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = student.log_softmax(-1), teacher.log_softmax(-1)
    target = ((1 - t_end) * ours + t_end * theirs).softmax(-1)
    method = TemporallyAdaptiveDistillation(t_end=t_end, adaptive=False)
    for progress in (0.0, 0.5, 1.0):
        method.begin_step(progress)
        said = method.eval()(Signals(logits=student), Signals(logits=teacher), {})["taid"]
        assert float(said.total) == pytest.approx(float(-(target * ours).sum()))
    method.begin_step(0.0)
    assert float(method.train()(Signals(logits=student), Signals(logits=teacher), {})["taid"].total) != said.total


def test_evaluation_does_not_move_it() -> None:
    method = TemporallyAdaptiveDistillation().eval()
    method(Signals(logits=torch.zeros(1, 1, 2)), Signals(logits=torch.ones(1, 1, 2)), {})
    method.begin_step(0.0)
    assert float(method.previous) == -1.0
