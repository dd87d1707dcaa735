"""DAC-KL: what the network may choose, and the spans' term by hand."""

from __future__ import annotations

import pytest
import torch

from limbeck.losses.divergence import forward_kl
from limbeck.methods.dac import DistributionAdaptiveClipping
from limbeck.signals import Signals


def sides() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(2, 2, 5, 9, generator=generator, dtype=torch.float64)
    return ours.requires_grad_(), theirs


def test_quantiles_are_in_order_and_between_0_and_1() -> None:
    torch.manual_seed(0)
    lower, upper = DistributionAdaptiveClipping(top=12).double().quantiles(*sides(), None)
    assert bool((lower >= 0).all())
    assert bool((lower < upper).all())
    assert bool((upper <= 1).all())


def test_quantiles_wide_apart_are_forward_kl() -> None:
    ours, theirs = sides()
    method = DistributionAdaptiveClipping(learned=False, lower=-9.0, upper=9.0)
    term = method(Signals(logits=ours), Signals(logits=theirs), {})["dac_kl"]
    torch.testing.assert_close(term.total, forward_kl(ours, theirs).total)
    assert list(method.parameters()) == []


def test_equal_sides_have_nothing_left_to_learn() -> None:
    torch.manual_seed(0)
    _, theirs = sides()
    ours = theirs.clone().requires_grad_()
    term = DistributionAdaptiveClipping(top=4).double()(Signals(logits=ours), Signals(logits=theirs), {})["dac_kl"]
    term.total.backward()
    assert float(term.total) == pytest.approx(0.0, abs=1e-14)
    assert ours.grad is not None
    assert float(ours.grad.abs().max()) < 1e-14


def test_what_does_not_count_reaches_no_gradient() -> None:
    torch.manual_seed(0)
    ours, theirs = sides()
    mask = torch.ones(2, 5, dtype=torch.bool)
    mask[1, 3:] = False
    targets = torch.where(mask, torch.tensor(4), torch.tensor(-100))
    method = DistributionAdaptiveClipping(top=4, span_weight=1.0, span_words=(4,)).double()
    spoilt = ours.detach().clone()
    spoilt[~mask] = float("nan")
    spoilt.requires_grad_()
    terms = method(Signals(logits=spoilt, mask=mask), Signals(logits=theirs), {"targets": targets})
    (terms["dac_kl"].total + terms["span"].total).backward()
    assert float(terms["dac_kl"].count) == 8
    assert spoilt.grad is not None
    assert bool(spoilt.grad[mask].isfinite().all())
    assert bool((spoilt.grad[~mask] == 0).all())
    assert all(value.grad is not None and value.grad.isfinite().all() for value in method.parameters())


def test_spans_by_hand() -> None:
    ours, theirs = sides()
    # Words 1 to 3 stand in spans and 1 begins one: the pairs are (1, 2), (2, 3) and, in the second row, (3, 2).
    targets = torch.tensor([[1, 2, 3, 1, -100], [5, 3, 2, 5, 1]])
    method = DistributionAdaptiveClipping(top=4, span_weight=0.5, span_words=(1, 2, 3), span_begins=(1,)).double()
    term = method(Signals(logits=ours), Signals(logits=theirs), {"targets": targets})["span"]
    q, p = ours.softmax(-1), theirs.softmax(-1)
    expected = sum(
        (q[row, at] * q[row, at + 1] - p[row, at] * p[row, at + 1]).norm() for row, at in ((0, 0), (0, 1), (1, 1))
    )
    assert (float(term.count), method.weights["span"]) == (3.0, 0.5)
    torch.testing.assert_close(term.total, expected)


def test_a_span_weight_needs_words() -> None:
    with pytest.raises(ValueError, match="span_weight needs span_words"):
        DistributionAdaptiveClipping(span_weight=1.0)
