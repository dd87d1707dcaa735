"""The controller's gradient through the student's step, what the shares are, and what is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.methods.base import Networks
from limbeck.methods.tgeo import TrilateralFusion
from limbeck.methods.unroll import KeptAdamW, loss_after_step
from limbeck.signals import Signals

GENERATOR = torch.Generator().manual_seed(0)
X, HELD = torch.randn(2, 6, 4, generator=GENERATOR, dtype=torch.float64)
TEACHER = 2 * torch.randn(6, 3, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
BATCH = {"x": X, "labels": LABELS}


def student() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)).double()


def made(network: nn.Module | None = None, **settings: Any) -> TrilateralFusion:
    torch.manual_seed(2)
    method = TrilateralFusion(classes=3, **settings).double()
    method.prepare(lambda batch: Signals(logits=TEACHER), [BATCH])
    if network is not None:
        method.meet(Networks(network, None, lambda batch: batch["x"], {"x": HELD, "labels": LABELS.flip(0)}))
    return method


def test_the_controller_gets_its_gradient_through_the_unrolled_student() -> None:
    """By differences of the outer loss. With shares under ``no_grad``, or a step that is cut off, it would be 0."""
    method = made(student())
    held = {"x": HELD, "labels": LABELS.flip(0)}
    names = [name for name, _ in method.controller.named_parameters()]
    values = [value.detach().clone().requires_grad_() for value in method.controller.parameters()]

    def loss(*parameters: Tensor) -> Tensor:
        return method.outer_loss(dict(zip(names, parameters, strict=True)), TEACHER, BATCH, held)

    slopes = torch.autograd.grad(loss(*values), values)
    assert all(float(slope.abs().max()) > 1e-7 for slope in slopes)
    assert torch.autograd.gradcheck(loss, values, atol=1e-7, fast_mode=True)
    assert float(loss(*values).detach()) != float(loss(*(value + 1 for value in values)).detach())


def test_the_outer_loss_is_that_of_a_student_that_took_the_step() -> None:
    network, taken = student(), student()
    method = made(network, step=0.3)
    held = {"x": HELD, "labels": LABELS.flip(0)}
    found = method.outer_loss(dict(method.controller.named_parameters()), TEACHER, BATCH, held)
    ours = taken(X)
    method(Signals(logits=ours), Signals(logits=TEACHER), BATCH)  # learns
    method = made(network, step=0.3)
    method.eval()(Signals(logits=ours), Signals(logits=TEACHER), BATCH)["tgeo"].mean().backward()
    with torch.no_grad():
        for value in taken.parameters():
            assert value.grad is not None
            value -= 0.3 * value.grad
    torch.testing.assert_close(found.detach(), F.cross_entropy(taken(HELD), LABELS.flip(0)).detach())


def test_learning_moves_the_controller_and_leaves_the_student_alone() -> None:
    network = student()
    method = made(network, every=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    start = [value.clone() for value in method.controller.parameters()]
    ours = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    for steps, moved in ((1, 1), (2, 1), (3, 2)):
        method.train()(Signals(logits=ours), Signals(logits=TEACHER), BATCH)
        assert (int(method.seen), int(method.adam.steps)) == (steps, moved)
    assert all(not torch.equal(a, b) for a, b in zip(start, method.controller.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(value.grad is None for value in network.parameters())
    moments = [name for name in method.state_dict() if "moments" in name]
    assert len(moments) == 6
    kept = [value.clone() for value in method.controller.parameters()]
    with torch.no_grad():
        method(Signals(logits=ours), Signals(logits=TEACHER), BATCH)
    method.eval()(Signals(logits=ours), Signals(logits=TEACHER), BATCH)
    assert all(torch.equal(a, b) for a, b in zip(kept, method.controller.parameters(), strict=True))


def test_the_controller_learns_whom_to_trust() -> None:
    """A teacher that is always wrong, with held-out items that show it."""
    wrong = 5 * F.one_hot((LABELS + 1) % 3, 3).double()
    network = student()
    method = made(network, lr=0.05)
    method.meet(Networks(network, None, lambda batch: batch["x"], BATCH))
    ours = network(X).detach()
    assert float(method.shares(ours, wrong, LABELS).min()) > 0.2
    for _ in range(30):
        method.train()(Signals(logits=ours.requires_grad_()), Signals(logits=wrong), BATCH)
    assert float(method.shares(ours, wrong, LABELS).max()) < 0.01


def test_kept_adamw_is_adamw() -> None:
    value, other = (torch.arange(4.0, dtype=torch.float64) for _ in range(2))
    adam = KeptAdamW([value], lr=0.1, weight_decay=0.05)
    other.requires_grad_()
    wanted = torch.optim.AdamW([other], lr=0.1, weight_decay=0.05)
    for step in range(5):
        slope = torch.tensor([1.0, -2.0, 0.0, 3.0 * step], dtype=torch.float64)
        adam.step([value], [slope])
        other.grad = slope
        wanted.step()
    torch.testing.assert_close(value, other.detach())


def test_a_step_that_does_not_reach_what_is_judged() -> None:
    both = nn.ModuleDict({"used": nn.Linear(1, 1), "idle": nn.Linear(1, 1)})
    both.forward = both["used"].forward
    rate, one = torch.ones((), requires_grad=True), torch.ones(1, 1)
    loss = loss_after_step(both, one, lambda y: rate * y.sum(), one, lambda y: y.sum(), step=0.5)
    (slope,) = torch.autograd.grad(loss, rate)
    assert float(slope) == pytest.approx(-1.0)  # by weight and bias


def test_shares_that_are_not_learnt() -> None:
    ours = torch.log(torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64))
    theirs = torch.log(torch.tensor([[0.8, 0.1, 0.1]], dtype=torch.float64))
    label = torch.tensor([0])

    def share(**settings: Any) -> float:
        return float(made(**settings).shares(ours, theirs, label))

    assert share(weighting="fixed", alpha=0.3) == pytest.approx(0.3)
    assert share(weighting="teacher-loss") == pytest.approx(0.8)
    assert share(weighting="loss-ratio") == pytest.approx(1 - np.exp(-np.log(0.5) / np.log(0.8)))
    method = made(weighting="annealed")
    method.begin_step(0.25)
    assert float(method.shares(ours, theirs, label)) == pytest.approx(0.75)


def test_the_state_has_class_means_of_the_training_items() -> None:
    method = made()
    means = torch.stack([TEACHER[label == LABELS].softmax(-1).mean(0) for label in range(3)])
    torch.testing.assert_close(method.means(), means)
    plain = made(state="without-means")
    ours = torch.zeros_like(TEACHER)
    moved = method.shares(ours, TEACHER, LABELS), plain.shares(ours, TEACHER, LABELS)
    for one in (method, plain):
        one.means.sums.copy_(one.means.sums.flip(0))
    again = method.shares(ours, TEACHER, LABELS), plain.shares(ours, TEACHER, LABELS)
    assert not torch.allclose(moved[0], again[0])
    assert torch.equal(moved[1], again[1])
    edges = made(state="truth-edges")
    others = TEACHER.flip(0)
    assert not torch.equal(edges.shares(ours, TEACHER, LABELS), edges.shares(ours, others, LABELS))


def test_one_who_has_not_met_the_student_does_not_pretend_to_learn() -> None:
    ours = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(LimbeckError, match="needs the student itself and held-out items"):
        made().train()(Signals(logits=ours), Signals(logits=TEACHER), BATCH)
