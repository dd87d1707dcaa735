"""Distances by overlaps are the L1 distances, and give logits the same gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limbeck.losses.overlap import WIDE, l1_distances
from limbeck.losses.transport import sinkhorn_batchwise


def logits(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape))) * 2


@pytest.mark.parametrize("classes", [5, WIDE, 3 * WIDE + 1])
def test_distances_and_gradients_are_those_of_every_pair(classes: int) -> None:
    sides = logits(4, classes).requires_grad_(), logits(6, classes).requires_grad_()
    weights = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, p = (side.softmax(-1) for side in sides)
    plain = (q.unsqueeze(1) - p).abs().sum(-1)
    found = l1_distances(q, p)
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), sides, retain_graph=True),
        torch.autograd.grad((plain * weights).sum(), sides),
    )


def test_distances_within_a_batch() -> None:
    given = logits(5, 2 * WIDE).requires_grad_()
    q = given.softmax(-1)
    weights = torch.rand(5, 5, dtype=torch.float64)
    found, plain = l1_distances(q, q), (q.unsqueeze(1) - q).abs().sum(-1)
    torch.testing.assert_close(found, plain)
    assert bool((found.diagonal().abs() < 1e-12).all())
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), given, retain_graph=True),
        torch.autograd.grad((plain * weights).sum(), given),
    )


def test_the_loss_of_many_classes_has_the_gradient_of_its_values() -> None:
    """Where the gradient of distances is one up to what rows share, that of logits is exact."""
    student = (logits(3, WIDE) * 0.5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given: sinkhorn_batchwise(given, logits(3, WIDE).flip(0), debiased=True).total, student
    )


def test_single_precision_is_as_near_as_it_can_be() -> None:
    q, p = logits(7, 1000).softmax(-1), logits(9, 1000).softmax(-1)
    torch.testing.assert_close(l1_distances(q.float(), p.float()).double(), l1_distances(q, p), rtol=0, atol=2e-6)
