"""What every loss must be; a loss without an entry in ``entries.py`` fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing

import numpy as np
import pytest
import torch
from torch import Tensor

import limbeck.losses
from limbeck.losses.term import Term
from tests.losses.entries import ENTRIES, Entry, Inputs


def public_losses() -> set[str]:
    """Every public function of the package that gives a term, or one value an item."""
    found = set()
    for module in pkgutil.walk_packages(limbeck.losses.__path__, "limbeck.losses."):
        if module.name == Term.__module__:
            continue  # what terms are made with
        members = vars(importlib.import_module(module.name))
        for name, function in members.items():
            if not inspect.isfunction(function) or name.startswith("_") or function.__module__ != module.name:
                continue
            gives = typing.get_type_hints(function).get("return")
            if gives is Term or (inspect.isclass(gives) and bool(getattr(gives, "dim_str", ""))):
                found.add(f"{module.name}.{name}")
    return found


def test_every_loss_has_an_entry() -> None:
    known = {f"{entry.loss.__module__}.{entry.loss.__name__}" for entry in ENTRIES}
    assert public_losses() == known


every_loss = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.loss.__name__)


def drawn(entry: Entry, seed: int = 0) -> Inputs:
    return entry.inputs(torch.Generator().manual_seed(seed))


def learning(inputs: Inputs) -> Inputs:
    return tuple(value.clone().requires_grad_() if value.is_floating_point() else value for value in inputs)


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    return tuple(value.to(dtype) if value.is_floating_point() else value for value in inputs)


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_reference(entry: Entry, seed: int) -> None:
    inputs = drawn(entry, seed)
    term = entry.term(*inputs)
    values = entry.reference(*(value.numpy() for value in inputs))
    assert term.total.dtype == torch.float64
    assert float(term.total) == pytest.approx(values.sum(), rel=1e-10)
    assert (float(term.count), term.count.requires_grad) == (len(values), False)
    value = entry.loss(*inputs)
    if isinstance(value, Tensor):
        np.testing.assert_allclose(value.numpy(), values, rtol=1e-10)


@every_loss
def test_gradient(entry: Entry) -> None:
    assert torch.autograd.gradcheck(lambda *inputs: entry.term(*inputs).total, learning(drawn(entry)))


@every_loss
def test_minimum(entry: Entry) -> None:
    assert entry.best is not None, "state why in the entry, and leave it out here"
    best, minimum = entry.best
    inputs = learning(best)
    mean = entry.term(*inputs).mean()
    assert mean.item() == pytest.approx(minimum, abs=1e-12)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        moved = best[0] + torch.randn(best[0].shape, generator=generator, dtype=torch.float64)
        assert entry.term(moved, *best[1:]).mean() >= minimum


@every_loss
@pytest.mark.parametrize("size", [1e4, -1e4, 0.0])
def test_extreme_values(entry: Entry, size: float) -> None:
    """Scores of ±1e4, alone or against each other, and nothing but zeros."""
    inputs = cast(drawn(entry), torch.float32)
    signs = [torch.where(value > 0, size, -size) if value.is_floating_point() else value for value in inputs]
    for second in (signs[1:], inputs[1:]):
        learnt = learning((signs[0], *second))
        mean = entry.term(*learnt).mean()
        mean.backward()
        assert mean.isfinite()
        assert all(value.grad.isfinite().all() for value in learnt if value.grad is not None)


@every_loss
def test_one_class(entry: Entry) -> None:
    """One class, or one feature: nothing to tell apart, and nothing that is not a number."""
    inputs = tuple(
        value.reshape(len(value), -1)[:, :1] if value.is_floating_point() else torch.zeros_like(value)
        for value in drawn(entry)
    )
    term = entry.term(*inputs)
    assert term.total.isfinite()
    assert float(term.total) == pytest.approx(entry.reference(*(v.numpy() for v in inputs)).sum(), abs=1e-12)


@every_loss
def test_parts_add_up(entry: Entry) -> None:
    inputs = drawn(entry)
    whole = entry.term(*inputs)
    parts = entry.term(*(v[:1] for v in inputs)) + entry.term(*(v[1:3] for v in inputs))
    parts = parts + entry.term(*(v[3:] for v in inputs)) + entry.term(*(v[:0] for v in inputs))
    if entry.splits:
        assert float(parts.count) == float(whole.count)
        assert float(parts.total) == pytest.approx(float(whole.total), rel=1e-12)
    else:
        assert float(parts.total) != pytest.approx(float(whole.total), rel=1e-3)


@every_loss
def test_bfloat16(entry: Entry) -> None:
    if entry.bf16 is None:
        pytest.skip("multiplies matrices")
    for seed in range(5):
        rounded = cast(drawn(entry, seed), torch.bfloat16)
        expected = float(entry.term(*cast(rounded, torch.float32)).mean())
        found = float(entry.term(*rounded).mean())
        assert found == pytest.approx(expected, rel=entry.bf16)
