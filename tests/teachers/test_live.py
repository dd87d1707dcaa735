from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError
from limbeck.teachers.live import LiveTeacher
from limbeck.training.weights import own_state


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Tanh(), nn.Linear(6, 3))


def inputs(batch: Batch) -> dict[str, Tensor]:
    return {"input": batch["x"]}


def test_is_frozen_and_stays_in_eval_mode() -> None:
    teacher = LiveTeacher(network(), inputs, ("0", "3"))
    both = nn.ModuleList([teacher]).train()
    assert not any(module.training for module in teacher.modules())
    assert both.training
    batch = {"x": torch.randn(8, 4, requires_grad=True)}
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    first, second = teacher(batch), teacher(batch)
    assert torch.equal(first.logits, second.logits)
    assert not first.logits.requires_grad
    assert not any(value.requires_grad for value in [*teacher.parameters(), *first.hidden.values()])
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert set(first.hidden) == {"0", "3"}


def test_gradient_flows_through_it_where_asked() -> None:
    teacher = LiveTeacher(network(), inputs, ("3",))
    image = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    teacher.double()

    def features(x: Tensor) -> Tensor:
        return teacher.signals({"input": x}, grad=True).hidden["3"]

    assert torch.autograd.gradcheck(features, (image,))
    features(image).sum().backward()
    assert image.grad is not None
    assert all(value.grad is None for value in teacher.parameters())
    with torch.no_grad():
        assert not features(image).requires_grad


def test_keys_masks_and_adaptors() -> None:
    batch = {"input": torch.randn(2, 4), "mask": torch.tensor([True, False])}
    by_key = LiveTeacher(network(), ["input"], mask="mask", logits=lambda output: output * 2)(batch)
    by_function = LiveTeacher(network(), ["input"], mask=lambda batch: ~batch["mask"])(batch)
    assert by_key.mask is batch["mask"]
    assert by_function.mask is not None
    assert by_function.mask.tolist() == [False, True]
    assert torch.equal(by_key.logits, by_function.logits * 2)
    with pytest.raises(LimbeckError, match="'inputs' is not in the batch; did you mean 'input'"):
        LiveTeacher(network(), ["inputs"])(batch)
    with pytest.raises(LimbeckError, match="got the text 'input'"):
        LiveTeacher(network(), "input")


def test_checkpoints_leave_it_out_wherever_it_is() -> None:
    student = nn.ModuleDict({"a": nn.ModuleList([LiveTeacher(network(), inputs)]), "a2": nn.Linear(2, 2)})
    assert set(own_state(student)) == {"a2.weight", "a2.bias"}
    assert own_state(LiveTeacher(network(), inputs)) == {}
