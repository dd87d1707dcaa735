"""Swing distillation by hand, its noise, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch

from limbeck.losses.divergence import forward_kl
from limbeck.methods.swing import SwingDistillation
from limbeck.signals import Signals

TARGETS = torch.tensor([[1, 7, 8, 2, -100], [7, 1, 3, 4, 5]])


def sides() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = 3 * torch.randn(2, 2, 5, 9, generator=generator, dtype=torch.float64)
    return ours.requires_grad_(), theirs


def test_by_hand() -> None:
    ours, theirs = sides()
    method = SwingDistillation(base=2.0, highest=10.0, noise=0.0, private_words=(7, 8))
    mask = TARGETS != -100
    term = method(Signals(logits=ours, mask=mask), Signals(logits=theirs), {"targets": TARGETS})["swing"]
    expected = torch.zeros((), dtype=torch.float64)
    for row, at in mask.nonzero().tolist():
        heat = 10.0 if int(TARGETS[row, at]) in (7, 8) else 2.0
        p, q = (theirs[row, at] / heat).softmax(-1), (ours[row, at] / heat).softmax(-1)
        expected = expected + (p * (p / q).log()).sum()
    torch.testing.assert_close(term.total, expected)
    assert (float(term.count), method.weights) == (9.0, {"swing": 4.0})


def test_without_private_words_and_noise_it_is_plain_distillation() -> None:
    ours, theirs = sides()
    method = SwingDistillation(noise=0.0)
    term = method(Signals(logits=ours), Signals(logits=theirs), {"targets": TARGETS})["swing"]
    torch.testing.assert_close(term.total, forward_kl(ours, theirs).total)


def test_private_words_teach_almost_nothing() -> None:
    """As hot as that, a word's gradient is a small part of what it was."""
    gradients = []
    for private in ((), tuple(range(9))):
        ours, theirs = sides()
        method = SwingDistillation(noise=0.0, private_words=private)
        method(Signals(logits=ours), Signals(logits=theirs), {"targets": TARGETS.clamp(min=0)})[
            "swing"
        ].total.backward()
        assert ours.grad is not None
        gradients.append(float(ours.grad.norm()))
    assert gradients[1] < 0.05 * gradients[0]


def test_noise_is_in_private_words_and_in_a_share_of_the_others() -> None:
    theirs = torch.randn(4, 500, 9, generator=torch.Generator().manual_seed(1))
    method, scores = SwingDistillation(noise=0.5, perturbed=0.1), torch.zeros(4, 500)
    scores[0] = 1.0
    torch.manual_seed(0)
    noisy, clean = method.target(theirs, scores), theirs.log_softmax(-1)
    assert torch.allclose(noisy.exp().sum(-1), torch.ones(4, 500))
    moved = (noisy - clean).abs().amax(-1) > 1e-4
    assert bool(moved[0].all())
    assert 0.06 < float(moved[1:].float().mean()) < 0.14
    assert torch.equal(method.eval().target(theirs, scores), clean)


def test_privacy_may_come_with_the_batch() -> None:
    ours, theirs = sides()
    method = SwingDistillation(noise=0.0, private_words=(7,))
    half = torch.full((2, 5), 0.5)
    assert method.temperatures(method.scores(ours, {"privacy": half})).unique().tolist() == [8.0]
    assert SwingDistillation(everywhere=True).scores(theirs, {"privacy": half}).unique().tolist() == [1.0]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match=r"highest \(1.0\) is below base \(2.0\)"):
        SwingDistillation(base=2.0, highest=1.0)
