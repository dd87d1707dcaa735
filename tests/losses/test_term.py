from __future__ import annotations

import pytest
import torch

from limbeck.losses.term import Term, add_terms, empty_term


def test_masked_values_reach_neither_sum_nor_gradient() -> None:
    values = torch.tensor([[1.0, float("nan"), 3.0], [float("inf"), 5.0, float("nan")]], requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    term = Term.over(values, mask)
    assert (float(term.total.detach()), float(term.count)) == (9.0, 3.0)
    term.mean().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, mask / 3.0)


def test_masks_are_broadcast_and_then_counted() -> None:
    term = Term.over(torch.ones(2, 3), torch.tensor([[True], [False]]))
    assert (float(term.total), float(term.count)) == (3.0, 3.0)


def test_nothing_counted() -> None:
    values = torch.full((3,), float("nan"), requires_grad=True)
    term = Term.over(values, torch.zeros(3, dtype=torch.bool))
    assert [float(value.detach()) for value in (term.total, term.count, term.mean())] == [0.0] * 3
    term.mean().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, torch.zeros(3))


def test_sums_not_means() -> None:
    values = torch.arange(5.0)
    parts = Term.over(values[:1]) + Term.over(values[1:])
    assert float(parts.mean()) == 2.0
    added = add_terms([{"a": parts, "b": empty_term(values)}, {"a": parts}])
    assert (float(added["a"].total), float(added["a"].count)) == (20.0, 10.0)
    assert float(added["b"].mean()) == 0.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_many_values_in_any_type(dtype: torch.dtype) -> None:
    """In half precision, neither 1001 nor a sum of so many ones could be held."""
    values = torch.ones(1001, dtype=dtype, requires_grad=True)
    for term in (Term.over(values), Term.over(values, torch.ones(1001, dtype=torch.bool))):
        assert (float(term.total.detach()), float(term.count)) == (1001.0, 1001.0)
        assert term.total.dtype == term.count.dtype == torch.promote_types(dtype, torch.float32)
        assert (term.total.requires_grad, term.count.requires_grad) == (True, False)
        assert not term.detach().total.requires_grad
