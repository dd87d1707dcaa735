"""Rounds by hand, one way, what is frozen, maps and tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.methods.talking import TalkingModels
from limbeck.signals import Signals

NAMES = ("low", "high")


def made(rounds: int = 1, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[TalkingModels, nn.Linear]:
    torch.manual_seed(0)
    layer = nn.Linear(6, 7).double().requires_grad_(False)
    upper = lambda hidden: layer(hidden).tanh().mean(1)  # noqa: E731
    method = TalkingModels(upper, student=NAMES, teacher=NAMES, width=5, rounds=rounds, weights=weights)
    method.connect(*sides())
    return method.double(), layer


def sides(number: int = 4) -> tuple[Signals, Signals]:
    generator = torch.Generator().manual_seed(2)
    shapes = (number, 3, 4), (number, 2), (number, 3, 6), (number, 7)
    low, high, their_low, their_high = (torch.randn(shape, generator=generator).double() for shape in shapes)
    ours = {"low": low.requires_grad_(), "high": high.requires_grad_()}
    return Signals(hidden=ours), Signals(hidden={"low": their_low, "high": their_high})


def square(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).square().mean()


def test_two_rounds_by_hand() -> None:
    method, layer = made(rounds=2)
    student, teacher = sides()
    low, high = (student.hidden[name] for name in NAMES)
    their_low, their_high = (teacher.hidden[name] for name in NAMES)
    e, d = method.encoders, method.decoders

    def answer(state: Tensor) -> Tensor:
        return d["student_upper"](
            e["teacher_upper"](layer(d["teacher_lower"](e["student_lower"](state))).tanh().mean(1))
        )

    first = answer(low)
    second = answer(low + (first @ method.back.weight.T)[:, None])
    terms = {name: term.mean() for name, term in method(student, teacher, {}).items()}
    torch.testing.assert_close(terms["talk/interact"], (square(high, first) + square(high, second)) / 2)
    messages = (
        square(e["student_lower"](low), e["teacher_lower"](their_low)),
        square(e["student_upper"](high), e["teacher_upper"](their_high)),
    )
    torch.testing.assert_close(terms["talk/messages"], sum(messages) / 2)
    back = [
        square(d[f"{side}_{place}"](e[f"{side}_{place}"](state)), state)
        for side, place, state in (
            ("student", "lower", low), ("student", "upper", high),
            ("teacher", "lower", their_low), ("teacher", "upper", their_high),
        )
    ]  # fmt: skip
    back.append(square(d["teacher_lower"](e["student_lower"](low)), their_low))
    torch.testing.assert_close(terms["talk/states"], sum(back) / 5)


def test_the_state_is_asked_with_through_a_frozen_teacher() -> None:
    method, layer = made(weights=(1.0, 0.0, 0.0))
    student, teacher = sides()
    term = method(student, teacher, {})["talk/interact"]
    term.mean().backward()
    assert method.weights == {"talk/interact": 1.0}
    assert student.hidden["low"].grad is not None
    assert student.hidden["low"].grad.abs().sum() > 0
    assert layer.weight.grad is None
    assert not any(
        "upper." in name and "weight" in name and value is layer.weight for name, value in method.named_parameters()
    )
    assert sum(value.numel() for value in method.parameters()) == sum(p.numel() for p in made(0)[0].parameters())


def test_one_way_does_not_ask() -> None:
    method, _ = made(rounds=0, weights=(1.0, 0.0, 0.0))
    method._upper[0] = lambda hidden: pytest.fail("the teacher must not be asked")
    student, teacher = sides()
    term = method(student, teacher, {})["talk/interact"]
    expected = method.decoders["student_upper"](method.encoders["teacher_upper"](teacher.hidden["high"]))
    torch.testing.assert_close(term.mean(), square(student.hidden["high"], expected))
    term.mean().backward()
    assert student.hidden["low"].grad is None


def test_maps_are_asked_with_as_maps() -> None:
    torch.manual_seed(0)
    seen: list[tuple[int, ...]] = []

    def upper(hidden: Tensor) -> Tensor:
        seen.append(tuple(hidden.shape))
        return hidden.mean((-2, -1))

    method = TalkingModels(upper, student=NAMES, teacher=NAMES, rounds=2)
    student = Signals(hidden={"low": torch.randn(2, 3, 4, 4), "high": torch.randn(2, 5)})
    teacher = Signals(hidden={"low": torch.randn(2, 6, 4, 4), "high": torch.randn(2, 6)})
    method.connect(student, teacher)
    assert all(term.mean().isfinite() for term in method(student, teacher, {}).values())
    assert seen == [(2, 6, 4, 4)] * 2
    with pytest.raises(LimbeckError, match="must agree in all axes but the last"):
        method.connect(student, Signals(hidden={"low": torch.randn(2, 6, 2, 2), "high": torch.randn(2, 6)}))
    with pytest.raises(LimbeckError, match="at least one of the weights"):
        TalkingModels(upper, student=NAMES, teacher=NAMES, weights=(0.0, 0.0, 0.0))
