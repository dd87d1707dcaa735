"""A teacher that runs beside the student: a frozen model with its signals captured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from limbeck.batch import Batch
from limbeck.errors import LimbeckError, near_matches
from limbeck.signals import LinearLogits, Pick, Signals, tap


class LiveTeacher(nn.Module):
    """A frozen model that teaches: always in eval mode, never trained, left out of checkpoints.

    The model itself is not changed but for ``requires_grad``, which is switched off on its parameters.

    Args:
        model: Any module.
        inputs: What the model is called with: a function from the batch to keyword arguments, or the keys of the
            batch that are passed on under their own names.
        hidden: Dotted paths of the modules whose outputs are captured (a method's ``needs.teacher_hidden``).
        call: What is called in place of the model itself, such as a part of it.
        logits: Finds the logits in what is returned. By default: the output itself, or its ``.logits``, or none.
        mask: The key of the batch that says which positions count, or a function from the batch to that mask.
        pick: Finds the tensor in a captured module's output; by default :func:`~limbeck.signals.first_tensor`.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
        >>> teacher = LiveTeacher(model, lambda batch: {"input": batch["x"]}, hidden=["0"])
        >>> signals = teacher({"x": torch.ones(2, 4)})
        >>> signals.logits.shape, signals.hidden["0"].shape, signals.logits.requires_grad
        (torch.Size([2, 3]), torch.Size([2, 3]), False)
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Callable[[Batch], Mapping[str, Any]] | Sequence[str],
        hidden: Sequence[str] = (),
        *,
        call: Callable[..., Any] | None = None,
        logits: Callable[[Any], Tensor | LinearLogits | None] | None = None,
        mask: str | Callable[[Batch], Tensor] | None = None,
        pick: Pick | None = None,
    ) -> None:
        super().__init__()
        if isinstance(inputs, str):
            raise LimbeckError(f"inputs: got the text {inputs!r}, expected a function or a sequence of keys")
        self.model = model.requires_grad_(False)
        self.call = call
        self.inputs = inputs
        self.hidden = tuple(hidden)
        self.logits = logits or _logits
        self.mask = mask
        self.pick = pick
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever ``mode`` says: a teacher's dropout and statistics are switched off."""
        return super().train(False)

    def forward(self, batch: Batch) -> Signals:
        """What the teacher says about the batch, without gradients."""
        inputs = self.inputs(batch) if callable(self.inputs) else {key: _value(batch, key) for key in self.inputs}
        mask = _value(batch, self.mask) if isinstance(self.mask, str) else self.mask and self.mask(batch)
        return self.signals(inputs, mask=mask)

    def signals(self, inputs: Mapping[str, Any], *, mask: Tensor | None = None, grad: bool = False) -> Signals:
        """What the teacher says about the model's own inputs.

        Args:
            inputs: Keyword arguments of the model.
            mask: Passed on into the signals.
            grad: Whether gradients flow through the frozen model into its inputs (an image that is itself made by
                a network that learns, say). The model's parameters get none either way.
        """
        with (
            torch.set_grad_enabled(grad and torch.is_grad_enabled()),
            tap(self.model, self.hidden, self.pick) as hidden,
        ):
            output = (self.call or self.model)(**inputs)
        return Signals(logits=self.logits(output), hidden=hidden, mask=mask)


def _value(batch: Batch, key: str) -> Any:
    if key not in batch:
        raise LimbeckError(f"the teacher's input {key!r} is not in the batch; {near_matches(key, batch)}")
    return batch[key]


def _logits(output: Any) -> Tensor | LinearLogits | None:
    if isinstance(output, Tensor | LinearLogits):
        return output
    logits = getattr(output, "logits", None)
    return logits if isinstance(logits, Tensor) else None
