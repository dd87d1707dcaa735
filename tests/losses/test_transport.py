"""Sinkhorn against POT, and what transport sees that divergences do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.losses.divergence import forward_kl
from limbeck.losses.transport import sinkhorn_batchwise, sinkhorn_plan, sinkhorn_tokenwise

ot = pytest.importorskip("ot")


def masses(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64).log_softmax(-1)


@pytest.mark.parametrize("epsilon", [1.0, 0.1])
@pytest.mark.parametrize("largest", [None, 2.0])
def test_converged_plans_are_pots(epsilon: float, largest: float | None) -> None:
    cost = torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2
    a, b = masses(4, 5), masses(4, 6)
    plans = sinkhorn_plan(cost, a, b, epsilon=epsilon, iterations=1000, largest=largest)
    for at in range(4):
        oracle = ot.sinkhorn(
            a[at].exp().numpy(),
            b[at].exp().numpy(),
            cost[at].numpy(),
            epsilon,
            method="sinkhorn_log",
            numItermax=20_000,
            stopThr=1e-12,
        )
        np.testing.assert_allclose(plans[at].numpy(), oracle, atol=1e-8)


def test_scalings_and_their_logarithms_agree_at_every_round() -> None:
    """The gradient of the scalings is written by hand, that of the logarithms is torch's own."""
    cost = torch.rand(3, 5, 6, dtype=torch.float64).requires_grad_()
    sides = masses(3, 5).requires_grad_(), masses(3, 6).requires_grad_()
    weights = torch.rand(3, 5, 6, dtype=torch.float64)
    for iterations in (1, 2, 20):
        plans = [sinkhorn_plan(cost, *sides, iterations=iterations, largest=bound) for bound in (None, 1.0)]
        torch.testing.assert_close(*plans)
        found = [torch.autograd.grad((plan * cost * weights).sum(), (cost, *sides)) for plan in plans]
        torch.testing.assert_close(*found)
        torch.testing.assert_close(plans[0].sum(-2), masses(3, 6).exp())


def test_masses_of_one_side_are_shared_by_all_and_none_may_be_0() -> None:
    cost = torch.rand(3, 4, 4, dtype=torch.float64).requires_grad_()
    rows = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64).log().requires_grad_()
    plan = sinkhorn_plan(cost, rows, iterations=5, largest=1.0)
    torch.testing.assert_close(plan.sum(-2), torch.ones(3, 4, dtype=torch.float64))
    assert bool((plan[:, 3] == 0).all())
    found = torch.autograd.grad((plan * cost).sum(), (cost, rows))
    assert all(bool(one.isfinite().all()) for one in found)
    assert found[1].shape == (4,)
    assert torch.autograd.gradcheck(
        lambda c, a: sinkhorn_plan(c, a, iterations=3, largest=1.0),
        (cost, torch.randn(3, 4, dtype=torch.float64).requires_grad_()),
    )


def test_a_cost_that_all_share_may_be_given_once() -> None:
    cost = torch.rand(4, 6, dtype=torch.float64).requires_grad_()
    sides = masses(3, 4).requires_grad_(), masses(3, 6).requires_grad_()
    weights = torch.rand(3, 4, 6, dtype=torch.float64)
    for largest in (None, 1.0):
        for iterations in (1, 7):
            plans = [
                sinkhorn_plan(given, *sides, iterations=iterations, largest=largest)
                for given in (cost, cost.expand(3, -1, -1))
            ]
            torch.testing.assert_close(*plans)
            found = [torch.autograd.grad((plan * weights).sum(), (cost, *sides)) for plan in plans]
            torch.testing.assert_close(*found)


def test_small_epsilon_is_exact_transport() -> None:
    student, teacher = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    q, p = student.softmax(-1), teacher.softmax(-1)
    exact = ot.emd2(np.ones(6), np.ones(6), torch.cdist(q, p, p=1.0).numpy())
    found = sinkhorn_batchwise(student, teacher, epsilon=0.002, iterations=3000)
    assert float(found.total) == pytest.approx(exact, rel=1e-3)
    assert torch.isfinite(sinkhorn_batchwise(student.float(), teacher.float(), epsilon=1e-3).total)


def test_debiased_is_zero_at_equality_and_plain_is_not() -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.3
    assert sinkhorn_batchwise(logits, logits).mean() > 0.03
    assert sinkhorn_batchwise(logits, logits, debiased=True).mean().abs() < 1e-12
    moved = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: sinkhorn_batchwise(z, logits.flip(0) * 2, debiased=True).total, moved)


def test_one_position_is_plain_l1() -> None:
    student, teacher = torch.randn(2, 1, 5, dtype=torch.float64)
    wanted = (student.softmax(-1) - teacher.softmax(-1)).abs().sum()
    torch.testing.assert_close(sinkhorn_batchwise(student, teacher).total, wanted)


def test_temperature_and_blocks_of_costs() -> None:
    student, teacher = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    halved = sinkhorn_batchwise(student / 2, teacher / 2)
    torch.testing.assert_close(sinkhorn_batchwise(student, teacher, temperature=2.0).total, halved.total)
    # Where all moves cost the same, what has to be moved at least is total variation.
    cost = 1.0 - torch.eye(5, dtype=torch.float64)
    found = sinkhorn_tokenwise(student, teacher, cost, k=5, epsilon=0.005, iterations=2000)
    apart = 0.5 * (student.softmax(-1) - teacher.softmax(-1)).abs().sum()
    torch.testing.assert_close(found.total, apart, rtol=1e-3, atol=0)


def test_other_vocabularies_need_a_cost_that_fits() -> None:
    student, teacher = torch.randn(3, 5), torch.randn(3, 8)
    assert sinkhorn_tokenwise(student, teacher, torch.rand(5, 8), k=4).total > 0
    with pytest.raises(ValueError, match="cost must not be negative"):
        sinkhorn_tokenwise(student, teacher, -torch.ones(5, 8))
    with pytest.raises(Exception, match=r"cost: got the shape \(8, 5\) for a student of 5 classes"):
        sinkhorn_tokenwise(student, teacher, torch.ones(8, 5))


@pytest.mark.parametrize(("name", "value"), [("epsilon", 0.0), ("iterations", 0), ("temperature", -1.0)])
def test_what_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be positive, got {value}"):
        sinkhorn_batchwise(torch.zeros(2, 3), torch.zeros(2, 3), **{name: value})  # type: ignore[arg-type]


def test_the_term_changes_the_gradient() -> None:
    student = torch.randn(4, 5, requires_grad=True)
    teacher = torch.randn(4, 5)
    plain = torch.autograd.grad(forward_kl(student, teacher).total, student)[0]
    both = forward_kl(student, teacher).total + sinkhorn_batchwise(student, teacher).total
    assert (torch.autograd.grad(both, student)[0] - plain).abs().max() > 1e-3
