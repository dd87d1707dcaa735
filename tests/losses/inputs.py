"""What losses are given in tests, in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Inputs = tuple[Tensor, ...]


def pair(*shape: int, other: tuple[int, ...] | None = None) -> Callable[[torch.Generator], Inputs]:
    def make(generator: torch.Generator) -> Inputs:
        first, second = (torch.randn(s, generator=generator, dtype=torch.float64) * 2 for s in (shape, other or shape))
        return first, second

    return make


def same(*shape: int) -> Inputs:
    values = pair(*shape)(torch.Generator().manual_seed(3))[0]
    return values, values.clone()


def labelled(generator: torch.Generator) -> Inputs:
    return torch.randn(7, 5, generator=generator).double() * 3, torch.randint(0, 5, (7,), generator=generator)


def pair_labelled(generator: torch.Generator) -> Inputs:
    return *pair(6, 5)(generator), torch.randint(0, 5, (6,), generator=generator)


def clipped(generator: torch.Generator) -> Inputs:
    lower = torch.rand(6, generator=generator, dtype=torch.float64) * 0.5
    upper = lower + 0.2 + torch.rand(6, generator=generator, dtype=torch.float64) * 0.3
    student, teacher, targets = pair_labelled(generator)
    return student, teacher, lower, upper, targets


def spans(generator: torch.Generator) -> Inputs:
    """Three texts of six characters in four tokens and in three, with padding; they meet at 3 and 6."""
    ours = torch.tensor([[0, 1], [1, 3], [3, 5], [5, 6]]).repeat(3, 1, 1)
    theirs = torch.tensor([[0, 3], [3, 6], [0, 0]]).repeat(3, 1, 1)
    return *pair(3, 4, 5, other=(3, 3, 7))(generator), ours, theirs


def maps(generator: torch.Generator) -> Inputs:
    student, teacher = pair(3, 2, 4, 5)(generator)
    return student.softmax(-1), teacher.softmax(-1)


def scores(generator: torch.Generator) -> Inputs:
    (first, second), (third, fourth) = pair(4, 1, other=(4, 3))(generator), pair(4, 1, other=(4, 3))(generator)
    return first, second, third, fourth


def ignoring(generator: torch.Generator) -> Inputs:
    logits, labels = labelled(generator)
    return logits, torch.where(torch.arange(7) % 3 == 1, -100, labels)
