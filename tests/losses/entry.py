"""What the truth suite knows of a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from limbeck.losses.term import Term
from tests.losses.inputs import Inputs
from tests.losses.references import Array


@dataclass(frozen=True)
class Entry:
    """One loss.

    Args:
        loss: The function.
        inputs: Its arguments, in float64, whose first axis is the items.
        reference: The value of each counted item, by the equation and by loops where these are plainer.
        best: Arguments at which it is at its minimum, and that minimum an item; None where it has none.
        learns: How many of the arguments, from the first, get a gradient; None is all of floating point.
        held: The loss by plain operations, of the student, of the student held still, and of the other arguments: the
            equation of a gradient that does not flow through all of the value.
        sparse: Whether the second argument may be sparse.
        options: Keyword arguments.
        call: How it is called with the inputs, where these are not its arguments.
        splits: Whether items are independent of each other, so that parts of a batch add up to it.
        mask: From the inputs and which items count to the mask of the loss; None where it takes none.
        one: An input with one class or feature.
        bf16: How far the mean may be off with inputs in bfloat16, relative to the same inputs in float32; None where
            the loss multiplies matrices, for which not every CPU has bfloat16 instructions.
    """

    loss: Callable[..., Term | Tensor]
    inputs: Callable[[torch.Generator], Inputs]
    reference: Callable[..., Array]
    best: tuple[Inputs, float] | None
    learns: int | None = None
    held: Callable[..., Tensor] | None = None
    sparse: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[..., Term] | None = None
    splits: bool = True
    mask: Callable[[Inputs, Tensor], Tensor] | None = None
    one: Callable[[Tensor], Tensor] = lambda value: value.reshape(len(value), -1)[:, :1] if value.dim() > 1 else value
    bf16: float | None = 0.02

    def term(self, *inputs: Any, **options: Any) -> Term:
        value = (self.call or self.loss)(*inputs, **self.options, **options)
        return value if isinstance(value, Term) else Term.over(value)

    @property
    def name(self) -> str:
        return "-".join([self.loss.__name__, *(f"{name}={value}" for name, value in self.options.items())])
