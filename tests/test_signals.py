from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from limbeck.errors import LimbeckError
from limbeck.signals import SparseLogits, tap


class Block(nn.Module):
    """Returns what a transformer's block may return."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.linear(x)
        outputs = {"tuple": (None, y, x), "dict": {"note": "text", "y": y}, "text": "nothing"}
        return BaseModelOutput(last_hidden_state=y) if self.kind == "output" else outputs[self.kind]


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_captures_by_path_and_lets_gradients_through() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))
    x = torch.randn(5, 3)
    with tap(model, ["0", "1.0", ""]) as hidden:
        output = model(x)
    assert list(hidden) == ["0", "1.0", ""]
    assert torch.equal(hidden[""], output)
    assert torch.equal(hidden["1.0"], hidden["0"].tanh())
    hidden["1.0"].sum().backward()
    first = model[0]
    assert isinstance(first, nn.Linear)
    assert first.weight.grad is not None


def test_hooks_are_off_afterwards_also_after_an_exception() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    kind = type(model)
    with tap(model, ["0"]):
        assert hooks(model) == 1
    with pytest.raises(RuntimeError, match="shapes"), tap(model, ["0", "1"]):
        model(torch.randn(2, 7))
    assert hooks(model) == 0
    assert type(model) is kind


@pytest.mark.parametrize("kind", ["tuple", "dict", "output"])
def test_first_tensor_of_what_a_module_returns(kind: str) -> None:
    model, x = nn.Sequential(Block(kind)), torch.randn(2, 3)
    with tap(model, ["0", "0.linear"]) as hidden:
        model(x)
    assert torch.equal(hidden["0"], hidden["0.linear"])
    with tap(model, ["0"], lambda name, output: torch.zeros(1)) as hidden:
        model(x)
    assert torch.equal(hidden["0"], torch.zeros(1))


def test_output_without_a_tensor_is_told() -> None:
    model = nn.Sequential(Block("text"))
    with pytest.raises(LimbeckError, match="'0' returned a str without a tensor"), tap(model, ["0"]):
        model(torch.randn(2, 3))
    assert hooks(model) == 0


def test_last_call_wins_and_no_grad_works() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with torch.no_grad(), tap(model, ["0"]) as hidden:
        model(torch.randn(2, 3))
        last = model(torch.randn(4, 3))
    assert torch.equal(hidden["0"], last)
    assert not hidden["0"].requires_grad


def test_unknown_path_lists_the_near_ones() -> None:
    model = nn.ModuleDict({"encoder": nn.ModuleList([nn.Linear(2, 2)]), "head": nn.Linear(2, 2)})
    with pytest.raises(LimbeckError, match=r"no module 'encodr.0'; did you mean 'encoder.0'"), tap(model, ["encodr.0"]):
        pass
    with pytest.raises(LimbeckError, match="expected a sequence"), tap(model, "head"):
        pass


def sparse() -> SparseLogits:
    ids = torch.tensor([[[3, 1], [0, 2]], [[4, 0], [0, 0]]])
    return SparseLogits(ids, torch.tensor([[[0.5, 0.25], [0.75, 0.25]], [[0.125, 0.0], [0.0, 0.0]]]).log())


def test_mass_left_over_also_with_unused_slots_and_at_complete_mass() -> None:
    assert sparse().rest().exp().tolist() == [[0.25, 0.0], [0.875, 1.0]]
    # Log-probabilities that were rounded may sum to more than 1.
    rounded = SparseLogits(torch.tensor([0, 1]), torch.tensor([0.5, 0.5001]).log().half())
    assert float(rounded.rest()) == -torch.inf
    assert rounded.rest().dtype == torch.float32


@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_top_classes_keep_their_full_probabilities(k: int) -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    top, plain = SparseLogits.top(logits, k), logits.softmax(-1)
    assert (top.k, top.positions) == (min(k, 5), (2, 3))
    torch.testing.assert_close(top.log_probs.exp(), plain.gather(-1, top.ids))
    torch.testing.assert_close(top.rest().exp(), 1 - plain.sort(descending=True).values[..., :k].sum(-1))
    assert SparseLogits.top(logits.half(), k).log_probs.dtype == torch.float32


def test_positions_are_indexed_and_slots_are_not() -> None:
    whole = sparse()
    for at in (torch.tensor([[True, False], [False, True]]), 1, slice(0, 1), (0, 1), torch.tensor([1, 0])):
        part = whole[at]
        assert torch.equal(part.ids, whole.ids[at])
        assert torch.equal(part.log_probs, whole.log_probs[at])
        assert part.k == 2


def test_types_are_of_the_log_probabilities_alone() -> None:
    moved = sparse().to("cpu", torch.float64)
    assert (moved.ids.dtype, moved.log_probs.dtype) == (torch.int64, torch.float64)
    assert sparse().to(torch.float16).log_probs.dtype == torch.float16


def test_sparse_logits_that_do_not_fit_are_told() -> None:
    ids, values = torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3)
    with pytest.raises(LimbeckError, match=r"ids \(2, 3\) and log_probs \(2, 2\) must have the same shape"):
        SparseLogits(ids, values[:, :2])
    with pytest.raises(LimbeckError, match=r"got torch.float32 and torch.float32"):
        SparseLogits(values, values)
    with pytest.raises(LimbeckError, match=r"got torch.int64 and torch.int64"):
        SparseLogits(ids, ids)
