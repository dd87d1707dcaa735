from __future__ import annotations

import pytest
import torch

from limbeck.models.dropout import ByteDropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_rate_and_expectation(p: float) -> None:
    torch.manual_seed(0)
    number = 400_000
    values = ByteDropout(p)(torch.ones(number))
    rate = round(p * 256) / 256
    assert abs(rate - p) <= 1 / 512
    # Five standard deviations of a binomial share.
    slack = 5 * (rate * (1 - rate) / number) ** 0.5
    assert values.eq(0).float().mean().item() == pytest.approx(rate, abs=slack)
    assert values.mean().item() == pytest.approx(1.0, abs=slack / (1 - rate))
    assert values[values > 0].unique().tolist() == pytest.approx([1 / (1 - rate)])


@pytest.mark.parametrize("shape", [(1,), (7,), (8,), (3, 5, 11), (0, 4)])
def test_every_shape(shape: tuple[int, ...]) -> None:
    values = ByteDropout(0.5)(torch.full(shape, 3.0))
    assert values.shape == shape
    assert set(values.flatten().tolist()) <= {0.0, 6.0}


def test_gradients_go_where_values_went() -> None:
    torch.manual_seed(0)
    values = torch.randn(50, 40, requires_grad=True)
    dropped = ByteDropout(0.3)(values)
    upstream = torch.randn(50, 40)
    (gradient,) = torch.autograd.grad(dropped, values, upstream)
    torch.testing.assert_close(gradient, upstream * (dropped / values).detach())
    assert dropped.eq(0).any()


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    kept = ByteDropout(0.5)(torch.ones(200_000)).sign()
    for lag in (1, 7, 8):
        both = (kept[lag:] * kept[:-lag]).mean().item()
        assert both == pytest.approx(0.25, abs=0.006)


def test_transposed_input() -> None:
    values = torch.arange(1.0, 13.0).view(3, 4).T
    dropped = ByteDropout(0.5)(values)
    assert ((dropped == 0) | (dropped == 2 * values)).all()


@pytest.mark.parametrize(("p", "training"), [(0.3, False), (0.0, True), (0.0, False)])
def test_identity(p: float, training: bool) -> None:
    values = torch.randn(9)
    assert ByteDropout(p).train(training)(values) is values


def test_everything_dropped_is_zero() -> None:
    values = torch.randn(100, requires_grad=True)
    dropped = ByteDropout(1.0)(values)
    dropped.sum().backward()
    assert dropped.eq(0).all()
    assert values.grad is not None
    assert values.grad.eq(0).all()


def test_same_seed_same_mask() -> None:
    dropout, values = ByteDropout(0.3), torch.ones(1000)
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout(values))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_bfloat16_stays_bfloat16() -> None:
    assert ByteDropout(0.5)(torch.ones(64, dtype=torch.bfloat16)).dtype == torch.bfloat16
