"""Sorted values and their gradients are those of torch, also where NumPy sorts."""

from __future__ import annotations

import pytest
import torch

from limbeck.losses.sorting import descending, rising_order


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7,), (3, 50), (2, 3, 1), (0, 4)])
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    weights = torch.randn(shape, generator=generator).to(dtype)
    found, expected = descending(ours), theirs.sort(dim=-1, descending=True).values
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0)
    torch.testing.assert_close(descending(ours.detach()), expected.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7,), (3, 386), (2, 3, 1), (0, 4)])
def test_the_order_is_that_of_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    many = torch.randn(shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    values = many + torch.arange(shape[-1]).to(dtype) * 16  # no two alike, whatever the precision
    found = rising_order(values.flip(-1).requires_grad_())
    torch.testing.assert_close(found, values.flip(-1).argsort(dim=-1), rtol=0, atol=0)


def test_nan_comes_first_with_and_without_gradients() -> None:
    values = torch.tensor([[0.5, float("nan"), 2.0]])
    for given in (values, values.clone().requires_grad_()):
        found = descending(given)
        assert found[0, 0].isnan()
        assert found[0, 1:].tolist() == [2.0, 0.5]


def test_gradients_can_be_differentiated_again() -> None:
    values = torch.randn(2, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda given: descending(given) ** 3, values)
