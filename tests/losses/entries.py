"""What the truth suite knows of every loss: inputs, a plain float64 reference, and its limit cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from limbeck.losses.cross_entropy import smoothed_cross_entropy
from limbeck.losses.divergence import jeffreys_divergence
from limbeck.losses.features import cosine_distance, kl_distance, l1_distance, l2_distance, linf_distance
from limbeck.losses.ranking import margin_ranking
from limbeck.losses.term import Term

Array = NDArray[np.float64]
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Entry:
    """One loss.

    Args:
        loss: The function.
        inputs: Its arguments, in float64; those of floating point are given gradients.
        reference: The value of each item, by the equation and by loops where these are plainer.
        best: Arguments at which it is at its minimum, and that minimum an item; None where it has none.
        splits: Whether items are independent of each other, so that parts of a batch add up to it.
        bf16: How far the mean may be off with inputs in bfloat16, relative to the same inputs in float32; None where
            the loss multiplies matrices, for which not every CPU has bfloat16 instructions.
    """

    loss: Callable[..., Term | Tensor]
    inputs: Callable[[torch.Generator], Inputs]
    reference: Callable[..., Array]
    best: tuple[Inputs, float] | None
    splits: bool = True
    bf16: float | None = 0.02

    def term(self, *inputs: Tensor) -> Term:
        value = self.loss(*inputs)
        return value if isinstance(value, Term) else Term.over(value)


def _pair(*shape: int) -> Callable[[torch.Generator], Inputs]:
    def make(generator: torch.Generator) -> Inputs:
        first, second = torch.randn(2, *shape, generator=generator, dtype=torch.float64) * 2
        return first, second

    return make


def _labelled(generator: torch.Generator) -> Inputs:
    return torch.randn(7, 5, generator=generator).double() * 3, torch.randint(0, 5, (7,), generator=generator)


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _cross_entropy(logits: Array, labels: NDArray[np.int64]) -> Array:
    classes = logits.shape[1]
    targets = 0.9 * np.eye(classes)[labels] + 0.1 / classes
    return -(targets * np.log(_softmax(logits))).sum(-1)


def _kl(a: Array, b: Array) -> Array:
    p, q = _softmax(a), _softmax(b)
    return (p * np.log(p / q)).sum(-1)


def _flat(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda student, teacher: function(student.reshape(len(student), -1), teacher.reshape(len(teacher), -1))


def _cosine(a: Array, b: Array) -> Array:
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def _ranking(predicted: Array, targets: Array) -> Array:
    values = np.zeros(len(predicted))
    for i, prediction in enumerate(predicted):
        for j, target in enumerate(targets):
            if i != j:
                own, other = _cosine(prediction, targets[i]), _cosine(prediction, target)
                values[i] += max(0.0, float(0.1 - own + other)) / (len(targets) - 1)
    return values


def _same(*shape: int) -> Inputs:
    values = _pair(*shape)(torch.Generator().manual_seed(3))[0]
    return values, values.clone()


_SMOOTHED = torch.full((2, 4), 0.025, dtype=torch.float64)
_SMOOTHED[0, 1] = _SMOOTHED[1, 3] = 0.925
_ENTROPY = float(-(_SMOOTHED[0] * _SMOOTHED[0].log()).sum())
_MAPS = (4, 3, 2, 2)

ENTRIES = [
    Entry(smoothed_cross_entropy, _labelled, _cross_entropy, ((_SMOOTHED.log(), torch.tensor([1, 3])), _ENTROPY)),
    Entry(jeffreys_divergence, _pair(6, 5), lambda a, b: (_kl(a, b) + _kl(b, a)) / 2, (_same(6, 5), 0.0)),
    Entry(l2_distance, _pair(*_MAPS), _flat(lambda a, b: ((a - b) ** 2).mean(-1)), (_same(*_MAPS), 0.0)),
    Entry(l1_distance, _pair(*_MAPS), _flat(lambda a, b: np.abs(a - b).mean(-1)), (_same(*_MAPS), 0.0)),
    Entry(linf_distance, _pair(*_MAPS), _flat(lambda a, b: np.abs(a - b).max(-1)), (_same(*_MAPS), 0.0)),
    Entry(kl_distance, _pair(*_MAPS), _flat(lambda student, teacher: _kl(teacher, student)), (_same(*_MAPS), 0.0)),
    Entry(cosine_distance, _pair(*_MAPS), _flat(lambda a, b: 1 - _cosine(a, b)), (_same(*_MAPS), 0.0)),
    Entry(
        margin_ranking,
        _pair(5, 4),
        _ranking,
        ((torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)), 0.0),
        splits=False,
        bf16=None,
    ),
]
