"""Tokens of either kind, what is drawn, the falling temperature, and what cannot be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.methods.relations import RelationDistillation
from limbeck.methods.trg import TokenRelations
from limbeck.signals import Signals


def said(values: Tensor, mask: Tensor | None = None) -> Signals:
    return Signals(hidden={"x": values}, mask=mask)


def made(**settings: float) -> TokenRelations:
    torch.manual_seed(0)
    return TokenRelations(student="x", teacher="x", **settings)  # type: ignore[arg-type]


def test_the_same_tokens_of_both_sides_are_drawn() -> None:
    """A teacher with more features is told apart by none of the terms that need no projection, whatever is drawn."""
    method = made(contrast=0.0, tokens=2, neighbours=3)
    maps = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    patches = torch.cat([torch.zeros(5, 1, 3), maps.flatten(2).transpose(1, 2)], dim=1)  # the first is no patch
    for _ in range(3):
        terms = method(said(maps), said(patches), {})
        assert float(terms["trg/local"].total) == pytest.approx(0.0, abs=1e-12)
        assert float(terms["trg/local"].count) == 10
        assert float(terms["trg/inner"].total) == pytest.approx(0.0, abs=1e-12)
    assert float(method(said(maps), said(patches.flip(1)), {})["trg/local"].mean()) > 1e-5


def test_the_finer_grid_is_averaged() -> None:
    method = made(contrast=0.0)
    coarse = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    fine = coarse.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert float(method(said(fine), said(coarse), {})["trg/inner"].total) == pytest.approx(0.0, abs=1e-12)


def test_the_temperature_falls_and_is_kept() -> None:
    line, cosine = made(start=0.5, end=0.1), TokenRelations(student="x", teacher="x", end=0.1, schedule="cosine")
    for method, wanted in ((line, (0.5, 0.4, 0.1)), (cosine, (0.5, 0.5 - 0.4 * (1 - 0.5**0.5) / 2, 0.1))):
        found = []
        for progress in (0.0, 0.25, 1.0):
            method.begin_step(progress)
            found.append(float(method.temperature))
        assert found == pytest.approx(wanted)
    assert float(line.state_dict()["temperature"]) == pytest.approx(0.1)
    maps = torch.randn(3, 2, 2, 2)
    line.connect(said(maps), said(maps))
    low = line(said(maps), said(maps), {})["trg/global"].mean().detach()
    line.begin_step(0.0)
    assert float(line(said(maps), said(maps), {})["trg/global"].mean().detach()) != pytest.approx(float(low), rel=1e-3)


def test_a_weight_of_0_leaves_its_term_and_projection_out() -> None:
    method = made(inner=0.0, contrast=0.0)
    maps = torch.randn(3, 2, 2, 2)
    method.connect(said(maps), said(torch.randn(3, 5, 2, 2)))
    assert list(method(said(maps), said(maps), {})) == ["trg/local"] == list(method.weights)
    assert not list(method.parameters())


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="are all 0"):
        made(inner=0.0, local=0.0, contrast=0.0)
    with pytest.raises(LimbeckError, match=r"'x' gives \(2, 7, 3\); expected maps"):
        made().connect(said(torch.zeros(2, 7, 3)), said(torch.zeros(2, 4, 3)))
    maps = torch.randn(2, 3, 2, 2)
    with pytest.raises(LimbeckError, match="the student has a mask"):
        made().connect(said(maps, torch.tensor([True, False])), said(maps))


def test_relations_take_maps_as_vectors() -> None:
    maps = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    for relation in ("distance", "angle", "similarity", "cka"):
        method = RelationDistillation(student="x", teacher="x", relation=relation)
        (term,) = method(said(maps), said(2 * maps.flatten(1).flip(1)), {}).values()
        assert float(term.mean()) == pytest.approx(0.0, abs=1e-12)
        (term,) = method(said(maps), said(maps.flip(0)), {}).values()
        assert float(term.mean()) > 1e-3
