"""A scale that means nothing, labels behind it, and what it cannot take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.losses.standardise import standardise
from limbeck.methods.soft_labels import SoftLabels
from limbeck.methods.standardised import StandardisedLogits
from limbeck.signals import Signals, SparseLogits

LOGITS = 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHERS = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_standardised_logits_by_numpy_and_their_gradient() -> None:
    expected = LOGITS.numpy() / LOGITS.numpy().std(-1, ddof=1, keepdims=True)
    np.testing.assert_allclose(standardise(LOGITS).numpy(), expected)
    assert torch.autograd.gradcheck(standardise, LOGITS.clone().requires_grad_())


@pytest.mark.parametrize("value", [0.0, 1e4, -1e30, 1e-30])
def test_equal_and_extreme_logits(value: float) -> None:
    logits = torch.full((2, 3), value)
    logits[1, 0] *= 2
    logits.requires_grad_()
    found = standardise(logits)
    found.square().sum().backward()
    assert found.isfinite().all()
    assert torch.equal(found[0], logits[0])
    assert logits.grad is not None
    assert value == 1e-30 or logits.grad.isfinite().all()
    one = torch.tensor([[value]])
    assert torch.equal(standardise(one), one)


def test_a_factor_of_either_side_changes_nothing() -> None:
    """Each side has its own deviation: with one for both, or with the teacher's alone, this would fail."""
    method = StandardisedLogits(method={"name": "logits"})
    value = method(Signals(logits=LOGITS), Signals(logits=OTHERS), {})["forward_kl"].total
    again = method(Signals(logits=7 * LOGITS + 1), Signals(logits=0.2 * OTHERS), {})["forward_kl"].total
    assert float(again) == pytest.approx(float(value))
    assert float(method(Signals(logits=3 * OTHERS), Signals(logits=OTHERS), {})["forward_kl"].total) == pytest.approx(0)
    q, p = (np.exp(side.numpy() / side.numpy().std(-1, ddof=1, keepdims=True)) for side in (LOGITS, OTHERS))
    q, p = q / q.sum(-1, keepdims=True), p / p.sum(-1, keepdims=True)
    assert float(value) == pytest.approx((p * np.log(p / q)).sum())


def test_positions_that_do_not_count_may_be_anything() -> None:
    method, mask = StandardisedLogits(method={"name": "logits"}), torch.arange(5) % 2 == 0
    student = LOGITS.masked_fill(~mask.unsqueeze(1), torch.nan).requires_grad_()
    term = method(Signals(logits=student, mask=mask), Signals(logits=OTHERS), {})["forward_kl"]
    term.total.backward()
    assert float(term.count) == 3
    assert student.grad is not None
    assert student.grad[~mask].eq(0).all()
    assert student.grad.isfinite().all()


def test_labels_are_shares_or_numbers() -> None:
    labels, none = torch.tensor([0, 1, 2, 3, 0]), Signals()
    shares = torch.nn.functional.one_hot(labels, 4).double()
    plain = SoftLabels()(Signals(logits=LOGITS), none, {"labels": labels})["soft_labels"]
    soft = SoftLabels()(Signals(logits=LOGITS), none, {"labels": labels.flip(0), "soft_labels": shares})["soft_labels"]
    assert float(soft.total) == pytest.approx(float(plain.total))
    behind = StandardisedLogits(method={"name": "soft-labels", "weight": 0.1})
    assert behind.weights == {"soft_labels": 0.1}
    found = behind(Signals(logits=LOGITS), none, {"labels": labels})["soft_labels"].total
    assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(standardise(LOGITS), labels) * 5))


def test_what_cannot_be() -> None:
    with pytest.raises(LimbeckError, match="'hidden' reads no logits"):
        StandardisedLogits(method={"name": "hidden", "pairs": {"a": "b"}})
    method = StandardisedLogits(method={"name": "logits"})
    with pytest.raises(LimbeckError, match="the logits are sparse"):
        method(Signals(logits=LOGITS), Signals(logits=SparseLogits.top(OTHERS, 2)), {})
