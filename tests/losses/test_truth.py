"""What every loss must be; a loss without an entry in ``entries.py`` fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing

import numpy as np
import pytest
import torch
from torch import Tensor

import limbeck.losses
from limbeck.losses.pairs import divergence_term
from limbeck.losses.rowwise import rowwise_term
from limbeck.losses.term import Term
from tests.losses.entries import ENTRIES
from tests.losses.entry import Entry
from tests.losses.inputs import Inputs


def public_losses() -> set[str]:
    """Every public function of the package that gives a term, or one value an item."""
    found = set()
    for module in pkgutil.walk_packages(limbeck.losses.__path__, "limbeck.losses."):
        if module.name in (Term.__module__, rowwise_term.__module__, divergence_term.__module__):
            continue  # what losses are made with
        members = vars(importlib.import_module(module.name))
        for name, function in members.items():
            if not inspect.isfunction(function) or name.startswith("_") or function.__module__ != module.name:
                continue
            gives = typing.get_type_hints(function).get("return")
            if gives is Term or re.fullmatch(r"\w+", getattr(gives, "dim_str", "").strip()):
                found.add(f"{module.name}.{name}")
    return found


def test_every_loss_has_an_entry() -> None:
    known = {f"{entry.loss.__module__}.{entry.loss.__name__}" for entry in ENTRIES}
    assert public_losses() == known


every_loss = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def drawn(entry: Entry, seed: int = 0) -> Inputs:
    return entry.inputs(torch.Generator().manual_seed(seed))


def learning(entry: Entry, inputs: Inputs) -> Inputs:
    """The inputs, with gradients for those that learn."""
    last = len(inputs) if entry.learns is None else entry.learns
    return tuple(
        value.clone().requires_grad_() if value.is_floating_point() and at < last else value
        for at, value in enumerate(inputs)
    )


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
    value = (entry.call or entry.loss)(*inputs, **entry.options)
    if isinstance(value, Tensor):
        np.testing.assert_allclose(value.numpy(), values, rtol=1e-10)


@every_loss
def test_gradient(entry: Entry) -> None:
    inputs = learning(entry, drawn(entry))
    if entry.held is None:
        assert torch.autograd.gradcheck(lambda *values: entry.term(*values).total, inputs)
        return
    (found,) = torch.autograd.grad(entry.term(*inputs).total, inputs[0])
    (wanted,) = torch.autograd.grad(entry.held(inputs[0], inputs[0].detach(), *inputs[1:]), inputs[0])
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.learns is not None], ids=lambda entry: entry.name)
def test_the_teacher_is_left_alone(entry: Entry) -> None:
    inputs = tuple(v.clone().requires_grad_() if v.is_floating_point() else v for v in drawn(entry))
    entry.term(*inputs).total.backward()
    assert entry.learns is not None
    learns, teacher = inputs[: entry.learns], inputs[entry.learns : 2 * entry.learns]
    assert all(value.grad is not None for value in learns)
    assert all(value.grad is None for value in teacher)


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.best is not None], ids=lambda entry: entry.name)
def test_minimum(entry: Entry) -> None:
    assert entry.best is not None
    best, minimum = entry.best
    mean = entry.term(*best).mean()
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
        learnt = learning(entry, (signs[0], *second))
        mean = entry.term(*learnt).mean()
        mean.backward()
        assert mean.isfinite()
        assert all(value.grad.isfinite().all() for value in learnt if value.grad is not None)


@every_loss
def test_one_class(entry: Entry) -> None:
    """One class, or one feature: nothing to tell apart, and nothing that is not a number."""
    inputs = tuple(entry.one(value) if value.is_floating_point() else torch.zeros_like(value) for value in drawn(entry))
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


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.mask is not None], ids=lambda entry: entry.name)
@pytest.mark.parametrize("pattern", ["some", "none"])
def test_what_is_masked_may_be_anything(entry: Entry, pattern: str) -> None:
    """NaN there changes neither value nor gradient, and gets none; an empty mask gives 0 and counts nothing."""
    assert entry.mask is not None
    inputs = drawn(entry)
    counted = torch.arange(len(inputs[0])) % 3 != 1 if pattern == "some" else torch.zeros(len(inputs[0])).bool()
    spoilt = tuple(
        value.clone().masked_fill(~counted.view(-1, *[1] * (value.dim() - 1)), torch.nan)
        if value.is_floating_point()
        else value
        for value in inputs
    )
    part, whole = learning(entry, tuple(value[counted] for value in inputs)), learning(entry, spoilt)
    term, expected = entry.term(*whole, mask=entry.mask(whole, counted)), entry.term(*part)
    assert float(term.count) == float(expected.count)
    assert term.total.item() == pytest.approx(expected.total.item(), rel=1e-12)
    term.total.backward()
    if pattern == "some":
        expected.total.backward()
    for value, other in zip(whole, part, strict=True):
        if value.requires_grad:
            assert value.grad is not None
            assert value.grad[~counted].eq(0).all()
            if pattern == "some":
                assert other.grad is not None
                torch.testing.assert_close(value.grad[counted], other.grad)
