from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from limbeck.errors import LimbeckError
from limbeck.signals import tap


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
