"""What the truth suite must know of each method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from limbeck.methods.base import Method
from limbeck.methods.ikd import InversionDistillation
from limbeck.methods.imagination import Imagination
from limbeck.signals import Signals
from tests.methods.toys import generated_maps, real_maps, vision

Sides = tuple[Signals, Signals]


@dataclass(frozen=True)
class Entry:
    """One method.

    Args:
        make: A method, the same each time.
        sides: So many items of student's and teacher's signals in float64, with nothing in them but what the method
            says that it needs; the student's have gradients.
        additive: Whether the terms of a batch are the sums of the terms of its parts; where not, ``why`` says why.
        best: From the teacher's signals to those of a student that has nothing left to learn.
        why: Of what does not hold.
    """

    make: Callable[[], Method]
    sides: Callable[[int], Sides]
    additive: bool = True
    best: Callable[[Signals], Signals] | None = None
    why: str = ""


def _inversion() -> Method:
    teacher = vision()
    return InversionDistillation(teacher.maps, teacher, grain="block", kd1=0.5, kd2=2.0)


def _maps(number: int) -> Sides:
    teacher, needs = vision(), _inversion().needs
    student = {name: value for name, value in generated_maps(teacher, number).items() if name in needs.student_hidden}
    real = {name: value for name, value in real_maps(teacher, number).items() if name in needs.teacher_hidden}
    return Signals(hidden=student), Signals(hidden=real)


def _imagination() -> Method:
    return Imagination(vision().top)


def _vectors(number: int) -> Sides:
    top = vision().top
    generator = torch.Generator().manual_seed(5)
    vector = torch.randn(number, top.channels, generator=generator, dtype=torch.float64).requires_grad_()
    return Signals(hidden={"vector": vector}), Signals(hidden={top.name: real_maps(vision(), number)[top.name]})


def _as_seen(teacher: Signals) -> Signals:
    return Signals(hidden={name: _learning(value) for name, value in teacher.hidden.items()})


def _learning(value: Tensor) -> Tensor:
    return value.clone().requires_grad_()


ENTRIES = {
    InversionDistillation: Entry(_inversion, _maps, best=_as_seen),
    Imagination: Entry(
        _imagination,
        _vectors,
        additive=False,
        why="it ranks the items of a batch; and where the pictures themselves are alike no vector ranks them all right",
    ),
}
