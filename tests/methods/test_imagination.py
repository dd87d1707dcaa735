from __future__ import annotations

import pytest
import torch

from limbeck.losses.ranking import margin_ranking
from limbeck.methods.imagination import Imagination
from limbeck.models.vision.maps import MapSpec
from limbeck.signals import Signals

TOP = MapSpec("top", 4, 2, 3, "model")


def test_weights_share_one() -> None:
    method = Imagination(TOP, weight=0.3)
    assert method.weights == {"imagination": 0.3, "translation": pytest.approx(0.7)}
    assert Imagination(TOP).weights["translation"] == pytest.approx(0.89)
    assert (method.needs.student_hidden, method.needs.teacher_hidden) == (("vector",), ("top",))


def test_ranks_against_the_pooled_map() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    top = torch.randn(5, 4, 2, 3, generator=generator)
    terms = Imagination(TOP, margin=0.4)(Signals(hidden={"vector": vectors}), Signals(hidden={"top": top}), {})
    expected = margin_ranking(vectors, top.double().mean((2, 3)), 0.4)
    torch.testing.assert_close(terms["imagination"].total, expected.total, rtol=1e-6, atol=0)
    assert float(terms["imagination"].count) == 5
    terms["imagination"].mean().backward()
    assert vectors.grad is not None
    assert (vectors.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("number", [0, 1])
def test_no_contrast(number: int) -> None:
    hidden = {"vector": torch.zeros(number, 4)}
    terms = Imagination(TOP)(Signals(hidden=hidden), Signals(hidden={"top": torch.zeros(number, 4, 2, 3)}), {})
    assert (float(terms["imagination"].total), float(terms["imagination"].count)) == (0.0, 0.0)
