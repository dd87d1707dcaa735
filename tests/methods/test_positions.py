"""Filling up a batch changes nothing that a method compares."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.methods.base import Method
from limbeck.methods.hidden import HiddenStateDistillation
from limbeck.methods.positions import counted_positions
from limbeck.methods.relations import RelationDistillation
from limbeck.signals import Signals

SITE = "encoder.layer.0"


def states(tokens: int, seed: int) -> Tensor:
    return torch.randn(3, tokens, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "method",
    [
        HiddenStateDistillation(pairs={SITE: SITE}),
        RelationDistillation(student=SITE, teacher=SITE),
        RelationDistillation(student=SITE, teacher=SITE, relation="similarity"),
    ],
    ids=["hidden", "distance", "similarity"],
)
def test_states_of_padding_are_not_compared(method: Method) -> None:
    ours, theirs = states(5, 1), states(5, 2)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])

    def term(noise: float, attention: Tensor) -> float:
        padded = (1 - mask).unsqueeze(-1) * noise
        said = [Signals(hidden={SITE: side + padded * scale}) for side, scale in ((ours, 1), (theirs, 3))]
        (found,) = method(*said, {"attention_mask": attention}).values()
        return float(found.mean())

    assert term(0.0, mask) == pytest.approx(term(9.0, mask))
    assert term(0.0, torch.ones_like(mask)) != pytest.approx(term(9.0, torch.ones_like(mask)))


def test_an_encoder_s_positions_are_the_input_s_and_a_decoder_s_the_target_s() -> None:
    attention, learnt = torch.ones(3, 5), torch.tensor([[True, False]] * 3)
    hidden = {"encoder.block.0": states(5, 1), "decoder.block.0": states(2, 2), "pooler": states(5, 3)[:, 0]}
    said = Signals(hidden=hidden, mask=learnt)
    masks = {site: counted_positions(site, said, {"attention_mask": attention}) for site in hidden}
    assert {site: None if mask is None else mask.tolist() for site, mask in masks.items()} == {
        "encoder.block.0": attention.bool().tolist(),
        "decoder.block.0": learnt.tolist(),
        "pooler": None,
    }
    assert counted_positions("encoder.block.0", said, {}) is None
    with pytest.raises(LimbeckError, match=r"'head' gives \(3, 5, 4\), which are not the \(3, 2\) positions"):
        counted_positions("head", Signals(hidden={"head": states(5, 1)}, mask=learnt), {})
