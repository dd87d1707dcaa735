"""What single losses promise beside the truths of all."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from limbeck.losses.cross_entropy import smoothed_cross_entropy
from limbeck.losses.features import DISTANCES, cosine_distance, distance, kl_distance
from limbeck.losses.ranking import margin_ranking


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_label_smoothing_is_torchs(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(9, 6, dtype=torch.float64, requires_grad=True), torch.randint(0, 6, (9,))
    found = smoothed_cross_entropy(logits, labels, smoothing).mean()
    plain = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)
    for one, other in zip(torch.autograd.grad(found, logits), torch.autograd.grad(plain, logits), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_in_range(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"smoothing must be in \[0, 1\)"):
        smoothed_cross_entropy(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long), smoothing)


def test_bfloat16_logits_are_summed_in_float32() -> None:
    assert smoothed_cross_entropy(torch.zeros(3, 4, dtype=torch.bfloat16), torch.zeros(3).long()).total.dtype == (
        torch.float32
    )


@pytest.mark.parametrize("name", DISTANCES)
def test_a_gradient_step_brings_features_together(name: str) -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 3, 2, 2, requires_grad=True), torch.randn(5, 3, 2, 2)
    before = distance(name)(student, teacher)
    (gradient,) = torch.autograd.grad(before.sum(), student)
    stepped = student.detach() - 1e-2 * gradient
    assert (distance(name)(stepped, teacher) < before).all()


def test_minimising_cosine_distance_raises_the_cosine() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6)
    (gradient,) = torch.autograd.grad(cosine_distance(student, teacher).sum(), student)
    before = F.cosine_similarity(student, teacher)
    assert (F.cosine_similarity(student - 0.1 * gradient, teacher) > before).all()


def test_kl_tells_maps_of_one_place_apart() -> None:
    """Over the last axis alone, as the released code has it, a 1x1 map's softmax would always be 1."""
    student, teacher = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    found = kl_distance(student[:, :, None, None], teacher[:, :, None, None])
    torch.testing.assert_close(found, kl_distance(student, teacher))
    assert found[0] > 2
    assert found[1] == 0


def test_unknown_distance() -> None:
    with pytest.raises(ValueError, match="distance must be one of l2, l1, linf, kl, cosine, got 'l3'"):
        distance("l3")


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_to_rank(number: int) -> None:
    predicted = torch.ones(number, 3, requires_grad=True)
    term = margin_ranking(predicted, torch.ones(number, 3))
    assert (float(term.total.detach()), float(term.count)) == (0.0, 0.0)
    term.mean().backward()
    assert predicted.grad is not None
    assert predicted.grad.eq(0).all()


def test_ranking_is_by_direction_alone() -> None:
    torch.manual_seed(0)
    predicted, targets = torch.randn(5, 4), torch.randn(5, 4)
    scaled = margin_ranking(predicted * 7, targets * 0.1, margin=0.3)
    torch.testing.assert_close(scaled.total, margin_ranking(predicted, targets, margin=0.3).total)
